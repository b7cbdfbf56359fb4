import { readSetting } from '../config.ts';
import type { Bundle } from '../domain/policy/bundle.ts';
import { mfaChanges } from '../domain/policy/second-factors.ts';
import { stepUpChanges } from '../domain/policy/step-ups.ts';
import { previewOf } from '../domain/policy/preview.ts';
import { readCaseFiles } from '../drivers/files/policies.ts';
import type { Environment } from './environment.ts';
import { groupChanges, type ToldChange } from './policy-diff-groups.ts';
import { diffLines } from './policy-diff-text.ts';
import { bundleOf, demandUtf8, filesOf, reportProblems } from './policy-folder.ts';
import {
  type Bundles,
  casesOf,
  changesAboutCases,
  type Person,
  principalsOf,
  rolesThatDiffer,
  toPerson,
  toPrincipal,
} from './policy-population.ts';
import { Misuse, type Report } from './report.ts';

export interface DiffOptions {
  readonly database?: string;
  readonly endpoint?: string;
  readonly against?: string;
  readonly all?: boolean;
  readonly failOnGain?: boolean;
  readonly failOnLoss?: boolean;
}

/** Two policies, everybody they were compared for, and what was found. */
export interface Comparison {
  readonly bundles: Bundles;
  /** What it was compared with, in words. */
  readonly against: string;
  readonly population: 'database' | 'endpoint' | 'cases';
  /** Null where it is not known how many there are. */
  readonly asked: number | null;
  readonly people: ReadonlyMap<string, Person>;
  readonly changes: readonly ToldChange[];
}

/** Subjects whose records are compared as the database has them. */
const KEPT_HERE: ReadonlySet<string> = new Set(['User', 'ServiceAccount', 'Session']);

/** `castellan policy diff`: who gains and loses what if these files were the policy. */
export function diffPolicy(folder: string, options: DiffOptions, env: Environment): Promise<Report> {
  return reportProblems(async () => {
    const comparison = await compare(folder, options, env);
    const { bundles, population, asked, changes, people } = comparison;
    const [before, after] = bundles.map(({ version }) => version);
    const groups = groupChanges(changes, people, (action, subject) => rolesThatDiffer(bundles, action, subject));
    const gained = groups.some(({ effect }) => effect === 'gains');
    const lost = groups.some(({ effect }) => effect === 'loses');
    const [old, now] = bundles;
    const stepUps = stepUpChanges(old.subjects, now.subjects);
    const mfa = mfaChanges(old, now);
    const failed = [
      ...(gained && options.failOnGain === true ? ['Somebody gains something, which --fail-on-gain refuses.'] : []),
      ...(lost && options.failOnLoss === true ? ['Somebody loses something, which --fail-on-loss refuses.'] : []),
    ];
    return {
      ok: failed.length === 0,
      lines: [...diffLines(comparison, folder, groups, options.all === true), ...failed],
      facts: { before, after, population, asked, groups, stepUps, mfa, refused: failed, problems: [] },
    };
  });
}

async function compare(folder: string, options: DiffOptions, env: Environment): Promise<Comparison> {
  const { endpoint, against, database } = options;
  if (endpoint !== undefined) {
    if (database !== undefined)
      throw new Misuse('--database and --endpoint are two ways to the same: give one of them');
    if (against !== undefined)
      throw new Misuse('--endpoint compares with the policy in force there: leave --against away');
    return compareOver(endpoint, folder, env);
  }
  const after = await bundleOf(folder);
  // Another folder is compared with as it is, whatever the environment says of a database.
  const url = database ?? (against === undefined ? readSetting(env, 'DATABASE_URL') : undefined);
  if (url !== undefined) return compareIn(url, folder, after, against);
  if (against !== undefined) return compareFolders(folder, after, against);
  throw new Misuse('there is nothing to compare with: give --database (or DATABASE_URL), --endpoint or --against');
}

async function compareOver(url: string, folder: string, env: Environment): Promise<Comparison> {
  const { Endpoint } = await import('./endpoint.ts');
  const { preview } = await import('./policy-preview.ts');
  const endpoint = new Endpoint(url, env);
  const files = demandUtf8(await filesOf(folder));
  return {
    ...(await preview(endpoint, files)),
    against: `the policy in force at ${new URL(url).host}`,
    population: 'endpoint',
    asked: null,
  };
}

async function compareIn(url: string, folder: string, after: Bundle, against: string | undefined): Promise<Comparison> {
  const { bundleInForce, everybodyIn, fromDatabase } = await import('./policy-database.ts');
  const cases = casesOf(await readCaseFiles(folder), after);
  const other = against === undefined ? undefined : await bundleOf(against);
  const { before, everybody } = await fromDatabase(url, async (store) => ({
    before: other ?? (await bundleInForce(store)),
    everybody: await everybodyIn(store),
  }));
  // Records that other subgraphs keep are known from the cases only.
  const elsewhere = cases.filter(({ subject }) => !KEPT_HERE.has(subject.__typename));
  return {
    bundles: [before, after],
    against: against ?? 'the policy in force in the database',
    population: 'database',
    asked: everybody.length,
    people: new Map(everybody.map((member) => [member.record.id, toPerson(member)])),
    changes: [
      ...previewOf(before, after, everybody).changes,
      ...changesAboutCases([before, after], elsewhere, everybody.map(toPrincipal)),
    ].map(toTold),
  };
}

async function compareFolders(folder: string, after: Bundle, against: string): Promise<Comparison> {
  const before = await bundleOf(against);
  const cases = casesOf(await readCaseFiles(folder), after);
  if (cases.length === 0) {
    throw new Misuse(`${folder}/cases has no cases to take principals from: write some, or give --database`);
  }
  const principals = principalsOf(cases);
  return {
    bundles: [before, after],
    against,
    population: 'cases',
    asked: principals.length,
    people: new Map(
      principals.map(({ label, facts, grants }) => {
        const { email } = facts;
        const person = { id: label, email: typeof email === 'string' ? email : null, liveSessions: null };
        return [label, { ...person, grants }];
      }),
    ),
    changes: changesAboutCases([before, after], cases, principals).map(toTold),
  };
}

function toTold({ whole, fields, ...change }: ReturnType<typeof changesAboutCases>[number]): ToldChange {
  return { ...change, fields: whole ? [] : fields.filter((field) => field !== null) };
}

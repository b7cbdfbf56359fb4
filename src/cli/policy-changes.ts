import { readSetting } from '../config.ts';
import { HISTORY_MAX, type PastPolicy } from '../domain/policy/policies.ts';
import { readCaseFiles } from '../drivers/files/policies.ts';
import type { Environment } from './environment.ts';
import { Endpoint } from './endpoint.ts';
import { demandUtf8, filesOf, reportProblems } from './policy-folder.ts';
import { short, wrap } from './policy-text.ts';
import { Misuse, type Report } from './report.ts';

const HISTORY = '{ policy { history { version appliedAt appliedBy inForce } } }';
const PAYLOAD = '{ version receipt { enforced } }';
const ROLLBACK = `mutation ($version: String!, $expectedVersion: String!) {
  changed: rollbackPolicy(version: $version, expectedVersion: $expectedVersion) ${PAYLOAD}
}`;
const APPLY = `mutation ($files: [PolicyFileInput!]!, $cases: [PolicyFileInput!], $expectedVersion: String!) {
  changed: applyPolicy(files: $files, cases: $cases, expectedVersion: $expectedVersion) ${PAYLOAD}
}`;

/** Fewer characters of a version could be those of another one soon. */
const PREFIX_MIN = 8;

interface Changed {
  readonly changed: { readonly version: string; readonly receipt: { readonly enforced: boolean } };
}

/** `castellan policy history`: the versions that were ever in force, the last one first. */
export async function policyHistory(
  { database, endpoint }: { readonly database?: string; readonly endpoint?: string },
  env: Environment,
): Promise<Report> {
  if (database !== undefined && endpoint !== undefined) {
    throw new Misuse('--database and --endpoint are two ways to the same: give one of them');
  }
  const url = database ?? readSetting(env, 'DATABASE_URL');
  if (endpoint === undefined && (url === undefined || url === '')) {
    throw new Misuse('there is nothing to ask: give --database (or DATABASE_URL) or --endpoint');
  }
  const versions = endpoint === undefined ? await historyIn(url ?? '') : await historyAt(new Endpoint(endpoint, env));
  const lines = versions.map(
    ({ version, appliedAt, appliedBy, inForce }) =>
      `${inForce ? 'in force' : '        '}  ${short(version)}  ${appliedAt}  ${appliedBy}`,
  );
  return { ok: true, lines: lines.length === 0 ? ['No policy was ever in force.'] : lines, facts: { versions } };
}

/** `castellan policy apply`: puts the files of a folder in force, if they answer its cases as these say. */
export function applyPolicy(
  folder: string,
  { endpoint: url, expected }: { readonly endpoint: string; readonly expected?: string },
  env: Environment,
): Promise<Report> {
  return reportProblems(async () => {
    const endpoint = changing(url, env);
    const [files, cases, versions] = await Promise.all([filesOf(folder), readCaseFiles(folder), historyAt(endpoint)]);
    demandUtf8([...files, ...cases]);
    const inForce = versionInForce(versions);
    const expectedVersion = expected === undefined ? inForce : versionOf(versions, expected);
    return told(await endpoint.ask<Changed>(APPLY, { files, cases, expectedVersion }));
  });
}

/** `castellan policy rollback`: puts a version in force again. */
export async function rollbackPolicy(
  wanted: string,
  { endpoint: url }: { readonly endpoint: string },
  env: Environment,
): Promise<Report> {
  const endpoint = changing(url, env);
  const versions = await historyAt(endpoint);
  const version = versionOf(versions, wanted);
  return told(await endpoint.ask<Changed>(ROLLBACK, { version, expectedVersion: versionInForce(versions) }));
}

const changing = (url: string, env: Environment): Endpoint =>
  new Endpoint(url, env, 'apply policies everywhere, such as an administrator');

async function historyIn(url: string): Promise<readonly PastPolicy[]> {
  const { fromDatabase } = await import('./policy-database.ts');
  return fromDatabase(url, async ({ bundles }) => {
    const [inForce, versions] = [await bundles.inForce(), await bundles.history(HISTORY_MAX)];
    return versions.map((each) => ({ ...each, inForce: each.version === inForce }));
  });
}

async function historyAt(endpoint: Endpoint): Promise<readonly PastPolicy[]> {
  const { policy } = await endpoint.ask<{ policy: { history: readonly PastPolicy[] } }>(HISTORY, {});
  return policy.history;
}

function versionInForce(versions: readonly PastPolicy[]): string {
  return versions.find(({ inForce }) => inForce)?.version ?? '';
}

/** The whole version that begins like this. */
function versionOf(versions: readonly PastPolicy[], prefix: string): string {
  if (prefix.length < PREFIX_MIN) throw new Misuse(`a version is named by ${PREFIX_MIN} characters of it at least`);
  const [found, other] = versions.filter(({ version }) => version.startsWith(prefix));
  if (found === undefined) throw new Error(`There is no version ${prefix} in the history: castellan policy history`);
  if (other !== undefined) throw new Misuse(`${prefix} could be ${found.version} or ${other.version}`);
  return found.version;
}

function told({ changed: { version, receipt } }: Changed): Report {
  const { enforced } = receipt;
  const line = enforced
    ? `In force on every instance: ${short(version)}`
    : `Committed, but not yet confirmed by every instance: ${short(version)}. The same again waits for it.`;
  return { ok: enforced, lines: wrap(line), facts: { version, enforced, problems: [] } };
}

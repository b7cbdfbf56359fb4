import { TooMuchMemory } from '../../kit/apart.ts';
import type { HeldGrant, Principal, SubjectRecord } from '../principals/principal.ts';
import { notFound, Refusal } from '../refusals.ts';
import type { PopulationMember, PopulationReader } from '../store.ts';
import type { Bundle } from './bundle.ts';
import type { BundleReader, PolicyVersion } from './bundle-store.ts';
import { templatesIn } from './conditions.ts';
import type { Engine, Explanation } from './engine.ts';
import type { ExplainedRule } from './explain.ts';
import type { Engines } from './engines.ts';
import type { PolicyFile } from './parse.ts';
import type { Policy } from './policy.ts';
import { previews, type PolicyPreview, type PreviewMember } from './preview.ts';
import { checks, proposed } from './proposed.ts';
import type { Standings } from './standings.ts';

export interface PolicyInForce {
  readonly version: string;
  readonly roles: readonly string[];
  readonly subjects: readonly string[];
  readonly files: readonly PolicyFile[];
}

export interface PastPolicy extends PolicyVersion {
  readonly inForce: boolean;
}

const PAGE = 1_000;
/** Users and service accounts a preview looks at. A larger population is compared from the command line, against the database. */
const PREVIEW_PRINCIPALS_MAX = 20_000;
/** Versions that a history goes back. */
export const HISTORY_MAX = 100;

/** Questions about the policy itself: what it says, why it decides as it does, and what another one would change. */
export class Policies {
  readonly #bundles: BundleReader;
  readonly #population: PopulationReader;
  readonly #engines: Engines;
  readonly #standings: Standings;
  readonly #policy: Policy;

  constructor(parts: {
    bundles: BundleReader;
    population: PopulationReader;
    engines: Engines;
    standings: Standings;
    policy: Policy;
  }) {
    this.#bundles = parts.bundles;
    this.#population = parts.population;
    this.#engines = parts.engines;
    this.#standings = parts.standings;
    this.#policy = parts.policy;
  }

  async inForce(by: Principal): Promise<PolicyInForce> {
    const { version, engine } = await this.#readable(by);
    const { roles, subjects } = engine.bundle;
    const files = (await this.#bundles.files(version)) ?? [];
    return { version, roles: [...roles.keys()].toSorted(), subjects: [...subjects.keys()].toSorted(), files };
  }

  /** The versions that were ever in force, the last hundred at most: the one that was put in force last comes first. */
  async history(by: Principal): Promise<readonly PastPolicy[]> {
    const { version: inForce } = await this.#readable(by);
    const versions = await this.#bundles.history(HISTORY_MAX);
    return versions.map((each) => ({ ...each, inForce: each.version === inForce }));
  }

  /**
   * Why a principal may or may not do it. Everyone may ask about themselves; about others, who may read the policy, and
   * then the answer about somebody one may not read is the same as about nobody, and FORBIDDEN about one whose roles one may not
   * read. Whoever asks has read the record.
   */
  async explain(
    by: Principal,
    principalId: string,
    question: { readonly action: string; readonly subject: SubjectRecord; readonly field: string | undefined },
  ): Promise<Explanation> {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    // Whoever came with an API key is as much as that goes for.
    const standing = by.kind === 'user' && principalId === by.id ? by.standing : await this.#standings.of(principalId);
    const { engine } = principalId === by.id ? await this.#inForce() : await this.#readable(by);
    if (standing === null || !this.#policy.decide(by, 'read', standing.record).allowed) {
      throw notFound('principal', principalId);
    }
    // Why somebody may do it tells by which roles.
    if (!this.#policy.decide(by, 'read', standing.record, 'roles').allowed && principalId !== by.id) {
      throw new Refusal('FORBIDDEN', 'You may not read the roles of this principal.', { id: principalId });
    }
    const { action, subject, field } = question;
    const explanation = engine.explain(standing.ability, action, subject, field);
    const told = (rule: ExplainedRule | null) => granted(standing.grants, this.#redacted(by, subject, rule));
    return { ...explanation, rule: told(explanation.rule), nearestMiss: told(explanation.nearestMiss) };
  }

  /** Without the values of fields that whoever asks may not read. */
  #redacted(by: Principal, subject: SubjectRecord, rule: ExplainedRule | null): ExplainedRule | null {
    if (rule === null) return null;
    const conditions = rule.conditions.map((condition) => {
      const { attribute } = condition;
      const isField = attribute in subject && attribute !== 'id' && attribute !== 'scopes';
      if (!isField || this.#policy.decide(by, 'read', subject, attribute).allowed) return condition;
      return { ...condition, actual: null, note: `you may not read ${attribute}` };
    });
    return { ...rule, conditions };
  }

  /**
   * Who would gain and lose what if these files were the policy, among those that `by` may read with all that it would tell of them.
   * Changes nothing.
   * Refuses with every problem of the files.
   */
  async preview(by: Principal, files: readonly PolicyFile[]): Promise<PolicyPreview> {
    const { version, engine } = await this.#readable(by);
    const bundle = await proposed('files', { files, cases: [] }, checks.ofPreviews);
    const before = (await this.#bundles.files(version)) ?? [];
    const everybody = await this.#everybody();
    const fields = toldBy(engine.bundle, bundle);
    const mayKnow = ({ record }: PopulationMember) => {
      const there = fields.filter((field) => Object.hasOwn(record, field));
      return [undefined, ...there].every((field) => this.#policy.decide(by, 'read', record, field).allowed);
    };
    const told = (member: PopulationMember): PreviewMember =>
      this.#mayCountSessions(by, member) ? member : { ...member, liveSessions: null };
    try {
      return await previews.ask({ before, after: files, everybody: everybody.filter(mayKnow).map(told) });
    } catch (error) {
      if (error instanceof TooMuchMemory)
        throw tooMuch('This says too much about too many users and service accounts.');
      throw error;
    }
  }

  /** As of sessions that nobody has: how many there are tells as much as one of them. */
  #mayCountSessions(by: Principal, { record }: PopulationMember): boolean {
    if (record.__typename !== 'User') return true;
    const { id: userId, scope, scopes } = record;
    const session = { __typename: 'Session', id: '', userId, scope, scopes };
    return this.#policy.decide(by, 'read', session).allowed;
  }

  async #inForce(): Promise<{ readonly version: string; readonly engine: Engine }> {
    const version = await this.#bundles.inForce();
    if (version === null) throw new Error('no policy is in force');
    return { version, engine: await this.#engines.load(version) };
  }

  async #readable(by: Principal): Promise<{ readonly version: string; readonly engine: Engine }> {
    const inForce = await this.#inForce();
    this.#policy.demandOpenly(by, 'read', { __typename: 'Policy', id: inForce.version });
    return inForce;
  }

  async #everybody(): Promise<readonly PopulationMember[]> {
    const everybody: PopulationMember[] = [];
    for (let after = ''; ; after = everybody.at(-1)?.record.id ?? '') {
      const page = await this.#population.page(after, PAGE);
      everybody.push(...page);
      if (page.length < PAGE) return everybody;
      if (everybody.length >= PREVIEW_PRINCIPALS_MAX) {
        throw tooMuch(`There are more than ${PREVIEW_PRINCIPALS_MAX} users and service accounts.`);
      }
    }
  }
}

/** Attributes that are read with the right to another one. */
const READ_AS: ReadonlyMap<string, string> = new Map([
  ['scopes', 'scope'],
  ['suspended', 'status'],
]);

/** What a preview would tell of users and service accounts: their roles, and whatever either policy compares. */
function toldBy(...bundles: readonly Bundle[]): readonly string[] {
  const told = new Set(['roles']);
  for (const { where, targets } of bundles.flatMap(({ roles }) => [...roles.values()].flatMap(({ rules }) => rules))) {
    for (const { name } of templatesIn(where)) if (name === 'email' || name === 'scope') told.add(name);
    if (!targets.some(({ subject }) => subject === 'User' || subject === 'ServiceAccount')) continue;
    for (const { attribute } of where) told.add(READ_AS.get(attribute) ?? attribute);
  }
  return [...told];
}

function tooMuch(message: string): Refusal {
  return new Refusal('BAD_USER_INPUT', `${message} Compare with \`castellan policy diff --database\`.`);
}

/** With the custom role that brought the role of the rule, where that was not granted itself. */
function granted(grants: readonly HeldGrant[], rule: ExplainedRule | null): ExplainedRule | null {
  const [first] = rule?.inheritance ?? [];
  const brought = grants.filter(({ role }) => role === first);
  const through = brought.every((grant) => grant.through !== null) ? (brought[0]?.through ?? null) : null;
  return rule === null || through === null ? rule : { ...rule, inheritance: [through, ...rule.inheritance] };
}

import { readSetting } from '../config.ts';
import { Engine, type Explanation } from '../domain/policy/engine.ts';
import type { ExplainedRule } from '../domain/policy/explain.ts';
import { describeNeed } from '../domain/policy/needs.ts';
import { factsOf } from '../domain/policy/principal-facts.ts';
import { makeRecord } from '../domain/policy/record.ts';
import { attributeOf, type SubjectType } from '../domain/policy/vocabulary.ts';
import { didYouMean } from '../domain/policy/words.ts';
import type { PrincipalRecord, SubjectRecord } from '../domain/principals/principal.ts';
import type { Store } from '../domain/store.ts';
import type { Environment } from './environment.ts';
import { policiesDir } from './environment.ts';
import { explanationLines } from './policy-explain-text.ts';
import { bundleOf, reportProblems } from './policy-folder.ts';
import { clip } from './policy-text.ts';
import { Misuse, type Report } from './report.ts';

export interface ExplainOptions {
  readonly principal?: string;
  readonly action: string;
  readonly subject: string;
  readonly id?: string;
  readonly field?: string;
  readonly role: readonly string[];
  readonly attribute: readonly string[];
  readonly database?: string;
  readonly endpoint?: string;
}

/** An explanation as both doors give it, with who was asked about. */
export interface Explained {
  /** For people. */
  readonly who: string;
  readonly what: string;
  readonly allowed: boolean;
  readonly reason: string;
  readonly policyVersion: string;
  readonly rule: ExplainedRule | null;
  readonly nearestMiss: ExplainedRule | null;
  /** What would have to be different; null when it is allowed, or when nothing would help. */
  readonly needs: readonly string[] | null;
  readonly roles: readonly string[];
  readonly note: string | null;
}

/** `castellan policy explain`: why somebody may or may not do something. */
export function explainPolicy(folder: string | undefined, options: ExplainOptions, env: Environment): Promise<Report> {
  return reportProblems(async () => {
    const explained = await answer(folder, options, env);
    const { allowed, reason, policyVersion, rule, nearestMiss, needs, roles, note, who } = explained;
    return {
      ok: true,
      lines: explanationLines(explained),
      facts: { principal: who, allowed, reason, policyVersion, rule, nearestMiss, needs, roles, note },
    };
  });
}

function answer(folder: string | undefined, options: ExplainOptions, env: Environment): Promise<Explained> {
  const { role, database, endpoint, attribute } = options;
  if (role.length > 0) {
    if (database !== undefined || endpoint !== undefined) {
      throw new Misuse('--role asks the files: leave --database and --endpoint away, or --role');
    }
    return explainRoles(policiesDir(env, folder), options);
  }
  if (options.principal === undefined)
    throw new Misuse('say who is meant: --principal <id or e-mail>, or --role <name>');
  if (endpoint !== undefined) {
    if (database !== undefined)
      throw new Misuse('--database and --endpoint are two ways to the same: give one of them');
    if (attribute.length > 0 || folder !== undefined) {
      throw new Misuse('--endpoint explains the policy in force there: leave the folder and --attribute away');
    }
    return explainOver(endpoint, { ...options, principal: options.principal }, env);
  }
  const url = database ?? readSetting(env, 'DATABASE_URL');
  if (url !== undefined) return explainIn(url, folder, { ...options, principal: options.principal });
  throw new Misuse('there is nobody to ask: give --database (or DATABASE_URL), --endpoint, or --role to ask the files');
}

/** Without any database: what these roles may do with a record that is described. */
async function explainRoles(folder: string, options: ExplainOptions): Promise<Explained> {
  const engine = new Engine(await bundleOf(folder));
  const grants = options.role.map((text) => {
    const [role = '', scope = null, ...more] = text.split('@');
    if (!engine.bundle.roles.has(role) || scope === '' || more.length > 0) {
      const hint = didYouMean(role, engine.bundle.roles.keys()) ?? 'write it as support or support@acme';
      throw new Misuse(`there is no role "${clip(text, 40)}" (${hint})`);
    }
    return { role, scope };
  });
  const { principal = 'somebody' } = options;
  const facts = { id: principal, kind: 'user', ...(principal.includes('@') && { email: principal }) };
  const ability = engine.ability(facts, grants);
  const record = describedRecord(typeOf(engine, options), options);
  return toExplained(engine.explain(ability, options.action, record, options.field), {
    who: `${principal} (${options.role.join(', ')})`,
    what: questionText(options),
    note: null,
  });
}

type NamedOptions = ExplainOptions & { readonly principal: string };

async function explainIn(url: string, folder: string | undefined, options: NamedOptions): Promise<Explained> {
  const { bundleInForce, fromDatabase } = await import('./policy-database.ts');
  const given = folder === undefined ? undefined : await bundleOf(folder);
  return fromDatabase(url, async (store) => {
    const engine = new Engine(given ?? (await bundleInForce(store)));
    const type = typeOf(engine, options);
    const { record: principal, grants } = await memberOf(store, options.principal);
    const ability = engine.ability(factsOf(principal), grants);
    const record = (await storedRecord(store, options)) ?? describedRecord(type, options);
    return toExplained(engine.explain(ability, options.action, record, options.field), {
      who: `${principal.__typename === 'User' ? principal.email : principal.name} (${principal.id})`,
      what: questionText(options),
      note:
        principal.status === 'active'
          ? null
          : `This ${whatIs(principal)} is disabled: whatever the rules say, no request is served.`,
    });
  });
}

const whatIs = ({ __typename }: PrincipalRecord): string => (__typename === 'User' ? 'user' : 'service account');

async function memberOf({ users, serviceAccounts, snapshots }: Store, name: string) {
  const { NotThere } = await import('./policy-database.ts');
  const found = name.includes('@')
    ? ((await users.findByEmail(name))?.user ?? null)
    : ((await users.find(name)) ?? (await serviceAccounts.find(name)));
  const { principals } = await snapshots.principals(found === null ? [] : [found.id]);
  const held = found === null ? undefined : principals.get(found.id);
  if (found === null || held === undefined) {
    throw new NotThere(`There is no user or service account ${name} in this database. Check --principal.`);
  }
  const dormant = held.dormant.map((grant) => ({ ...grant, dormant: true }));
  return { record: found, grants: [...held.grants, ...dormant] };
}

/** The record of this id, unless it is described; null for what Castellan keeps no records of. */
async function storedRecord(
  { users, serviceAccounts, sessions, roles }: Store,
  { subject, id, attribute }: ExplainOptions,
): Promise<SubjectRecord | null> {
  const readers: Readonly<Record<string, { find(id: string): Promise<SubjectRecord | null> }>> = {
    User: users,
    ServiceAccount: serviceAccounts,
    Session: sessions,
    Role: roles,
  };
  const reader = Object.hasOwn(readers, subject) ? readers[subject] : undefined;
  if (id === undefined || attribute.length > 0 || reader === undefined) return null;
  const { NotThere } = await import('./policy-database.ts');
  const record = await reader.find(id);
  if (record === null) throw new NotThere(`There is no ${subject} ${id} in this database. Check --id.`);
  return record;
}

async function explainOver(url: string, options: NamedOptions, env: Environment): Promise<Explained> {
  const { Endpoint } = await import('./endpoint.ts');
  const { askToExplain } = await import('./policy-explain-remote.ts');
  const explained = await askToExplain(new Endpoint(url, env), options);
  return { ...explained, what: questionText(options), note: null };
}

function toExplained(
  { decision, rule, nearestMiss, needs, roles }: Explanation,
  about: Pick<Explained, 'who' | 'what' | 'note'>,
): Explained {
  const { allowed, reason, policyVersion } = decision;
  return {
    ...about,
    allowed,
    reason,
    policyVersion,
    rule,
    nearestMiss,
    needs: needs?.map(describeNeed) ?? null,
    roles,
  };
}

const questionText = ({ action, subject, id, field }: ExplainOptions): string =>
  [action, ...(field === undefined ? [] : [field, 'of']), subject, ...(id === undefined ? [] : [id])].join(' ');

/** The subject that is asked about; refuses words that the policy does not know. */
function typeOf(engine: Engine, { action, subject, field }: ExplainOptions): SubjectType {
  const unknown = engine.unknownWord(action, subject, field);
  const type = engine.bundle.subjects.get(subject);
  if (unknown !== null || type === undefined)
    throw new Misuse(`${unknown?.message ?? ''} Check --${unknown?.argument}.`);
  return type;
}

function describedRecord(type: SubjectType, { id = 'any', attribute }: ExplainOptions): SubjectRecord {
  const attributes = Object.fromEntries(
    attribute.map((text) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined) throw new Misuse(`--attribute is name=value, not ${text}`);
      return [name, valueOf(type, name, value)];
    }),
  );
  const made = makeRecord(type, id, attributes);
  if ('record' in made) return made.record;
  throw new Misuse(
    made.refused.map(({ message, hint }) => (hint === undefined ? message : `${message} (${hint})`)).join('\n'),
  );
}

/** What was typed, as the type of the attribute has it. What fits none stays text, and is refused as that. */
function valueOf(type: SubjectType, name: string, text: string): unknown {
  if (text === 'null') return null;
  const kind = attributeOf(type, name)?.kind;
  if (kind === 'list') return text === '' ? [] : text.split(',').map((item) => item.trim());
  if (kind === 'number') return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  if (kind === 'boolean') return text === 'true' || text === 'false' ? text === 'true' : text;
  return text;
}

import type { Castellans } from '../support/castellan.ts';
import type { Actor, Corpus } from './corpus.ts';
import type { Question, Subject, Way } from './questions.ts';

/** What the gateway's door shows of each type that a policy decides about field by field. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  User: ['email', 'name', 'status', 'scope', 'createdAt', 'roles'],
  Session: ['createdAt', 'expiresAt'],
  Role: ['name', 'managed'],
};

/** Whether `_entities` can be asked this. */
export const isShown = ({ subject, action, field }: Question): boolean =>
  action === 'read' && FIELDS[subject.type]?.includes(field ?? FIELDS[subject.type]?.[0] ?? '') === true;

const ENTITIES = `query ($representations: [_Any!]!) {
  entities: _entities(representations: $representations) {
    __typename
    ... on User { id email name status scope createdAt roles { name } }
    ... on Session { id createdAt expiresAt }
    ... on Role { id name managed }
  }
}`;

type Entity = Readonly<Record<string, unknown>> | null;

/** What `_entities` answers to the principal's own token, all records and each twice in one request. */
export async function byEntities(castellans: Castellans, { accessToken }: Actor, { records }: Corpus): Promise<Way> {
  const asked = [...records, ...records.toReversed()];
  const representations = asked.map(({ type, id }) => ({ __typename: type, id }));
  const { data, errors } = await castellans.ask<{ entities: readonly Entity[] }>(ENTITIES, {
    variables: { representations },
    token: accessToken,
  });
  if (data?.entities.length !== asked.length) throw new Error(`_entities answered ${JSON.stringify(errors)}`);
  const refused = new Set(
    errors.map(({ path = [], extensions }) => {
      if (extensions['code'] !== 'FORBIDDEN') throw new Error(`_entities answered ${JSON.stringify(errors)}`);
      return path.slice(1).join(' ');
    }),
  );
  const answers = new Map<string, boolean>();
  for (const [index, record] of asked.entries()) {
    for (const [field, answer] of shown(record, data.entities[index] ?? null, (field) =>
      refused.has(`${index} ${field}`),
    )) {
      const key = `${record.id} ${field}`;
      if (answers.has(key) && answers.get(key) !== answer) throw new Error(`_entities gave ${key} two answers`);
      answers.set(key, answer);
    }
  }
  return (question) =>
    isShown(question) ? (answers.get(`${question.subject.id} ${question.field ?? ''}`) ?? null) : null;
}

/** Whether the record is there, and each of its fields: null with an error, or what was put in. */
function* shown(
  { type, id, known }: Subject,
  entity: Entity,
  isRefused: (field: string) => boolean,
): Generator<readonly [string, boolean]> {
  yield ['', entity !== null];
  for (const field of FIELDS[type] ?? []) {
    const refused = isRefused(field);
    yield [field, entity !== null && !refused];
    if (entity === null) continue;
    const value = field === 'roles' ? namesIn(entity[field], known[field]) : entity[field];
    if (value !== (refused ? null : known[field])) {
      throw new Error(`_entities showed ${field} of ${id} as ${JSON.stringify(entity[field])}`);
    }
  }
}

/** Roles that one may not read are left away; that apart, what was put in. */
function namesIn(roles: unknown, known: unknown): unknown {
  if (!Array.isArray(roles) || !Array.isArray(known)) return roles;
  const names = roles.map((role: { readonly name: unknown }) => role.name);
  return names.every((name) => name === null || known.includes(name)) ? known : names;
}

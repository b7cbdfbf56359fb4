import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Pages } from '../../src/domain/pages.ts';
import { Engine } from '../../src/domain/policy/engine.ts';
import { ELEMENT, type Filter, not, type OrderOperator } from '../../src/domain/policy/filter.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';
import { ADDRESS_KEY } from '../../src/domain/address-range.ts';
import type { SubjectRecord } from '../../src/domain/principals/principal.ts';
import { filterSql, Parameters } from '../../src/drivers/postgres/policy-sql.ts';
import { ROLE_SQL } from '../../src/drivers/postgres/role-store.ts';
import { SCOPE_SQL } from '../../src/drivers/postgres/scope-store.ts';
import { API_KEY_SQL } from '../../src/drivers/postgres/api-key-store.ts';
import { AUDIT_ENTRY_SQL } from '../../src/drivers/postgres/audit-store.ts';
import { SECURITY_EVENT_SQL } from '../../src/drivers/postgres/security-event-store.ts';
import { SERVICE_ACCOUNT_SQL } from '../../src/drivers/postgres/service-account-store.ts';
import { SESSION_SQL } from '../../src/drivers/postgres/session-store.ts';
import { USER_SQL } from '../../src/drivers/postgres/user-store.ts';
import { EMAIL_FOLDED, GRANTED_ROLE_IDS, SEARCH_TEXT } from '../../src/domain/users/user.ts';
import {
  anApiKey,
  aRole,
  aScope,
  anAuditEntry,
  aSecurityEvent,
  aServiceAccount,
  aSession,
  aUser,
} from '../contract/store-samples.ts';
import { addScopes } from '../contract/store-steps.ts';
import { holds } from '../domain/policy/filter-reading.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { actor, policyText, rows, type Rows, SCOPES, SUSPENDED } from './list-arbitraries.ts';

const TYPES = ['User', 'Session', 'Role', 'Scope'] as const;
type Type = (typeof TYPES)[number];
type Records = Readonly<Record<Type, readonly SubjectRecord[]>>;

/** `POLICY_CASES=2000000` looks longer. */
const cases = Number(process.env['POLICY_CASES'] ?? 120_000);
jest.setTimeout(60_000 + cases);

let opened: TestStore;
const pages = (): Readonly<Record<Type, Pages<SubjectRecord>>> => ({
  User: opened.store.users,
  Session: opened.store.sessions,
  Role: opened.store.roles,
  Scope: opened.store.scopes,
});

beforeAll(async () => {
  opened = await openTestStore(6);
});

afterAll(() => opened.release());

/** Puts these rows in the place of all others; the records they are read back as. */
async function fill({ users, roles, grants, sessions }: Rows): Promise<Records> {
  await opened.rows('truncate users, scopes, roles cascade');
  await addScopes(opened.store, ...SCOPES);
  await opened.store.transaction(async (tx) => {
    for (const user of users) await tx.users.add(user, null);
    await tx.roles.syncManaged(roles);
    for (const session of sessions) await tx.sessions.add(session, `hash of ${session.id}`);
  });
  for (const { id, managed } of roles) {
    await opened.rows('update roles set managed = $2 where id = $1', id, managed);
  }
  for (const path of SUSPENDED) await opened.rows(`update scopes set status = 'suspended' where path = $1`, path);
  for (const { id, principalId, roleId, scope, expiresAt, grantedBy, createdAt, revokedAt } of grants) {
    const text = `insert into grants (id, principal_id, role_id, scope_id, expires_at, granted_by, created_at, revoked_at)
      values ($1, $2, $3, scope_id_at($4), $5, $6, $7, $8)`;
    const values = [id, principalId, roleId, scope, expiresAt, grantedBy, createdAt, revokedAt];
    await opened.rows(text, ...values);
  }
  for (const { id, revokedAt, revokedReason } of sessions) {
    await opened.rows(
      'update sessions set revoked_at = $2, revoked_reason = $3 where id = $1',
      id,
      revokedAt,
      revokedReason,
    );
  }
  const scopeIds = await opened.rows<{ id: string }>('select id from scopes');
  return {
    User: await opened.store.users.findMany(users.map(({ id }) => id)),
    Session: await opened.store.sessions.findMany(sessions.map(({ id }) => id)),
    Role: await opened.store.roles.findMany(roles.map(({ id }) => id)),
    Scope: await opened.store.scopes.findMany(scopeIds.map(({ id }) => id)),
  };
}

async function found(type: Type, filter: Filter): Promise<readonly string[]> {
  const page = await pages()[type].page({ filter, order: { by: null, descending: false }, after: null, limit: 1_000 });
  return page.map(({ id }) => id).toSorted();
}

const idsOf = (records: readonly SubjectRecord[]) => records.map(({ id }) => id).toSorted();

test('AC-87: a list has exactly the records that a decision about each would allow', async () => {
  const [states, policies, actors] = [Math.ceil(cases / 20_000), 85, 5];
  let [pairs, allowed, asked] = [0, 0, 0];
  for (const state of fc.sample(rows, states)) {
    const records = await fill(state);
    const property = fc.asyncProperty(
      policyText,
      fc.array(actor, { minLength: actors, maxLength: actors }),
      async (text, many) => {
        const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text }]));
        const answers = many.flatMap(({ principal, grants, field }) => {
          const ability = engine.ability(principal, grants);
          pairs += 1;
          return TYPES.map(async (type) => {
            const filter = engine.filter(ability, 'read', type, field);
            const expected = idsOf(records[type].filter((each) => engine.decide(ability, 'read', each, field).allowed));
            const actual = await found(type, filter);
            asked += records[type].length;
            allowed += expected.length;
            expect({ type, principal, grants, field, filter, ids: actual }).toMatchObject({ ids: expected });
          });
        });
        await Promise.all(answers);
      },
    );
    await fc.assert(property, { numRuns: policies });
  }
  expect(pairs).toBeGreaterThanOrEqual(cases / 60);
  // Agreement is worth something only while both answers are common.
  expect(allowed / asked).toBeGreaterThan(0.1);
  expect(allowed / asked).toBeLessThan(0.9);
});

describe('a condition in SQL is what it is of the record', () => {
  let records: Records;

  beforeAll(async () => {
    const [state] = fc.sample(rows, { numRuns: 1, seed: 87 });
    if (state === undefined) throw new Error('no rows');
    records = await fill(state);
  });

  /** Both of it and of its opposite, and of that within a list of alternatives. */
  async function agrees(type: Type, filter: Filter): Promise<void> {
    for (const each of [filter, not(filter), { kind: 'or', filters: [filter, { kind: 'none' }] } as const]) {
      const expected = idsOf(records[type].filter((record) => holds(each, { ...record })));
      expect({ filter: each, ids: await found(type, each) }).toEqual({ filter: each, ids: expected });
    }
  }

  const values = ['', 'Zoë', 'Zoe\u0308', '\u0000', '\uD800', 'acme', '1', 1, 0, -1, true, false, 'active', 'Member'];
  const instants = ['2024-01-01T00:00:00.000Z', '2024-02-30T00:00:00.000Z', '2025-06-30T24:00:00.000Z', '2025', '+'];

  test.each([
    ['User', Object.keys(aUser())],
    ['Session', Object.keys(aSession())],
    ['Role', Object.keys(aRole())],
    ['Scope', Object.keys(aScope('acme'))],
  ] as const)('for every attribute of a %s, and for one that it lacks', async (type, attributes) => {
    for (const attribute of [...attributes.filter((name) => name !== '__typename'), 'nick', 'constructor']) {
      for (const value of [...values, ...instants, null]) await agrees(type, { kind: 'equals', attribute, value });
      await agrees(type, { kind: 'among', attribute, values: [...values, ...instants] });
      await agrees(type, { kind: 'among', attribute, values: [] });
      await agrees(type, { kind: 'present', attribute });
      await agrees(type, { kind: 'contains', attribute, values: ['acme', 'acme/platform'] });
      await agrees(type, { kind: 'contains', attribute, values: ['member', 1] });
      await agrees(type, { kind: 'contains', attribute, values: ['\uD800'] });
      for (const size of [0, -0, 1, 2, 3, 1e300]) await agrees(type, { kind: 'size', attribute, size });
      const some = (filter: Filter) => agrees(type, { kind: 'some', attribute, filter });
      await some({ kind: 'equals', attribute: ELEMENT, value: 'acme/platform' });
      await some(not({ kind: 'among', attribute: ELEMENT, values: ['acme', 'member'] }));
      await some({ kind: 'all' });
    }
  });

  const operators: readonly OrderOperator[] = ['gt', 'gte', 'lt', 'lte'];
  test.each(operators)('for the order %s, in which nothing is less than anything', async (operator) => {
    const order = (type: Type, attribute: string, value: string | number | boolean) =>
      agrees(type, { kind: 'order', attribute, operator, value });
    for (const value of [...instants, '2025-06-30T12:00:00.001Z', -1, 0, 1]) {
      await order('Session', 'createdAt', value);
      await order('Session', 'revokedAt', value);
      await order('Role', 'managed', value);
      await order('Role', 'nick', value);
    }
    for (const value of ['', 'Zoe', '~', '-1', ...instants]) {
      await order('User', 'name', value);
      await order('User', 'scope', value);
      await order('User', 'roles', value);
      await order('User', 'scopes', value);
    }
  });

  test.each([1, true, '🗝'])('but an order of texts and %s, which SQL has otherwise, is refused', async (value) => {
    for (const attribute of ['name', 'roles']) {
      const filter: Filter = { kind: 'order', attribute, operator: 'gt', value };
      await expect(found('User', filter)).rejects.toThrow(/^the order of .* has no SQL$/);
    }
  });
});

/** Its place and its states are for those who read it: no policy speaks of them. */
function anEntryToDecideOn(): object {
  const { seq: _seq, before: _before, after: _after, ...told } = anAuditEntry();
  return told;
}

/** How often it happened is for readers: numbers are no attribute that a rule may ask about in SQL. */
function anEventToDecideOn(): object {
  const { count: _count, ...event } = aSecurityEvent();
  return event;
}

describe('the statement', () => {
  test.each([
    ['User', USER_SQL, { ...aUser(), [EMAIL_FOLDED]: '', [GRANTED_ROLE_IDS]: [], [SEARCH_TEXT]: '' }],
    ['ApiKey', API_KEY_SQL, anApiKey({ ownerId: '' })],
    ['ServiceAccount', SERVICE_ACCOUNT_SQL, aServiceAccount()],
    ['Session', SESSION_SQL, { ...aSession(), [ADDRESS_KEY]: '' }],
    ['SecurityEvent', SECURITY_EVENT_SQL, anEventToDecideOn()],
    ['AuditEntry', AUDIT_ENTRY_SQL, anEntryToDecideOn()],
    ['Role', ROLE_SQL, aRole()],
    ['Scope', SCOPE_SQL, aScope('acme')],
  ] as const)('knows every attribute of a %s', (_, subject, record) => {
    expect(Object.keys(subject).toSorted()).toEqual(
      Object.keys(record)
        .filter((name) => name !== '__typename')
        .toSorted(),
    );
  });

  test('holds no value: names come from the mapping, and what a policy or a caller wrote is a parameter', () => {
    const value = `'; drop table users; --`;
    const attributes = [...Object.keys(USER_SQL), value, '__proto__'];
    const leaves = attributes.flatMap((attribute): readonly Filter[] => [
      { kind: 'equals', attribute, value },
      { kind: 'among', attribute, values: [value, 'b'] },
      { kind: 'contains', attribute, values: [value] },
      { kind: 'size', attribute, size: 777_777 },
      { kind: 'some', attribute, filter: { kind: 'equals', attribute: ELEMENT, value } },
      { kind: 'order', attribute, operator: 'lt', value },
      { kind: 'present', attribute },
      { kind: 'includes', attribute, value },
    ]);
    const parameters = new Parameters();
    const sql = filterSql({ kind: 'or', filters: leaves.flatMap((leaf) => [leaf, not(leaf)]) }, USER_SQL, parameters);
    expect(sql).not.toMatch(/drop|777|;|--/);
    expect(parameters.values.flat()).toContain(value);
  });

  test('is kept by PostgreSQL for each of so many shapes, and no more', async () => {
    const kept = async () => {
      const text = `select count(*)::int as kept from pg_prepared_statements where name like 'user-page-%'`;
      const [row] = await opened.database.query<{ kept: number }>('', text, []);
      return row?.kept ?? 0;
    };
    const before = await kept();
    const named = (name: string): Filter => ({ kind: 'equals', attribute: 'name', value: name });
    for (const name of ['Zoë', 'a', 'b']) await found('User', named(name));
    expect(await kept()).toBeLessThanOrEqual(before + 1);
    for (let n = 2; n < 302; n += 1) {
      await found('User', { kind: 'or', filters: Array.from({ length: n }, (_, i) => named(`${i}`)) });
    }
    expect(await kept()).toBeLessThanOrEqual(256);
  });
});

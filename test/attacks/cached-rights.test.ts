import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { Engine } from '../../src/domain/policy/engine.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';
import type { App } from '../../src/app.ts';
import { redisUrl, type SignedInUser, until } from '../support/castellan.ts';
import { addGrant, revokeGrant } from '../support/people.ts';
import { takesMutations } from './doors.ts';
import { openTenants, type Tenants } from './tenants.ts';

/** What is kept of anybody's rights, in process and in Redis, and what must never come of it. */

const CAN = `query ($action: String!, $subject: String!, $id: ID, $field: String) {
  viewerCan(action: $action, subject: $subject, id: $id, field: $field) { allowed rule }
}`;

let tenants: Tenants;
let redis: Redis;

beforeAll(async () => {
  redis = new Redis(redisUrl());
  tenants = await openTenants();
}, 40_000);

afterAll(async () => {
  await tenants?.castellans.close();
  redis.disconnect();
});

const at = (instance: number): App => {
  const app = tenants.castellans.apps[instance];
  if (app === undefined) throw new TypeError(`there is no instance ${instance}`);
  return app;
};
const first = (): App => at(0);
const keyOf = ({ id }: SignedInUser): string => `castellan:standing:{${id}}`;

async function mayDisable(who: SignedInUser, whom: SignedInUser, instance: number): Promise<boolean | undefined> {
  const variables = { action: 'disable', subject: 'User', id: whom.id };
  const { data } = await tenants.castellans.ask<{ viewerCan: { allowed: boolean } }>(CAN, {
    variables,
    token: who.accessToken,
    instance,
  });
  return data?.viewerCan.allowed;
}

/** From here on nothing that any instance keeps about them counts: a grant came and went. */
async function forgetWhatIsKnownOf({ id: principalId }: SignedInUser): Promise<void> {
  await revokeGrant(first(), await addGrant(first(), { principalId, role: 'auditor' }));
}

/** What Redis holds of them once it holds what counts. */
async function entryOf(who: SignedInUser, instance: number): Promise<string> {
  await redis.del(keyOf(who));
  await forgetWhatIsKnownOf(who);
  await mayDisable(who, who, instance);
  await until(async () => (await redis.exists(keyOf(who))) === 1);
  return (await redis.get(keyOf(who))) ?? '';
}

/** Whether the instance found an entry and rejected it. A Redis that is slow is a miss; a hit is never right here. */
async function rejects(instance: number, ask: () => Promise<void>): Promise<boolean> {
  const { counts } = at(instance).services.standings;
  const before = { ...counts };
  await ask();
  expect(counts.cacheHits).toBe(before.cacheHits);
  // Twice where somebody may not read what is there: as for what is not there.
  expect([1, 2]).toContain(counts.databaseReads - before.databaseReads);
  return counts.cacheRejected > before.cacheRejected;
}

describe('AC-88: no two questions share an answer', () => {
  test('of two callers who ask the same text at the same time, on any instance', async () => {
    const { castellans, doors, alice, bob, mallory, ada } = tenants;
    const query = '{ me { id email } viewerAbility { rules } sessions(first: 100) { edges { node { id } } } }';
    const callers = [alice, bob, mallory, ada, null];
    const alone = new Map<string, unknown>();
    for (const caller of callers) {
      const token = caller === null ? {} : { token: caller.accessToken };
      alone.set(caller?.id ?? '', (await castellans.ask(query, token)).data);
    }
    expect(new Set([...alone.values()].map((each) => JSON.stringify(each))).size).toBe(callers.length);
    for (const door of doors) {
      const asked = [...callers, ...callers.toReversed(), ...callers];
      const answers = await Promise.all(asked.map((caller) => door.ask(query, {}, caller?.accessToken)));
      for (const [index, { data }] of answers.entries()) {
        expect({ door: door.name, data }).toEqual({ door: door.name, data: alone.get(asked[index]?.id ?? '') });
      }
    }
  });

  test('in one batch: duplicates, and questions that differ in one word, get their own', async () => {
    const { doors, ada, bob, mallory, gus } = tenants;
    const checks = [bob, mallory, gus, ada].flatMap(({ id, sessionId }) => [
      ...['read', 'update', 'disable', 'grant'].flatMap((action) =>
        [undefined, 'name', 'email'].map((field) => ({ action, subject: 'User', id, field })),
      ),
      { action: 'read', subject: 'Session', id: sessionId },
      { action: 'revoke', subject: 'Session', id: sessionId },
      // The same id of another type is another question.
      { action: 'read', subject: 'Session', id },
      { action: 'read', subject: 'User', id: sessionId },
      ...[id, ada.id].map((ownerId) => ({
        action: 'publish',
        subject: 'Document',
        id: 'doc',
        attributes: { ownerId },
      })),
    ]);
    const batch = [...checks, ...checks.toReversed(), ...checks];
    const MANY = 'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed rule } }';
    type Many = { viewerCanMany: readonly { readonly allowed: boolean }[] };
    const alone = new Map<string, unknown>();
    for (const check of checks) {
      const { data } = await tenants.castellans.ask<Many>(MANY, {
        variables: { checks: [check] },
        token: ada.accessToken,
      });
      alone.set(JSON.stringify(check), data?.viewerCanMany[0]);
    }
    expect([...alone.values()].filter((each) => Object(each).allowed === true).length).toBeGreaterThan(5);
    for (const door of doors) {
      // A URL is shorter than a body.
      const asked = takesMutations(door) ? batch : [...checks.slice(0, 20), ...checks.slice(0, 20).toReversed()];
      const { data } = await door.ask<Many>(MANY, { checks: asked }, ada.accessToken);
      const expected = asked.map((check) => alone.get(JSON.stringify(check)));
      expect({ door: door.name, answers: data?.viewerCanMany }).toEqual({ door: door.name, answers: expected });
    }
  });

  test('with other grants, whatever their roles and scopes are called', () => {
    const text = `subjects: { Doc: { actions: [read], attributes: { id: id } } }
roles: { member: { allow: [{ action: read, subject: Doc }] } }`;
    const engine = new Engine(parseBundle([{ path: 'policies/a.yaml', text }]));
    // So few and so short that what was put together carelessly would often be the same.
    const odd = fc.string({ unit: fc.constantFrom('a', '"', ',', ']'), maxLength: 2 });
    const grant = fc.record({ role: odd, scope: fc.option(odd, { freq: 3 }) });
    const grants = fc.array(grant, { maxLength: 2 });
    const meant = (held: readonly { readonly role: string; readonly scope: string | null }[]) =>
      [...new Set(held.map(({ role, scope }) => `${role} at ${scope === null ? 'all' : `scope ${scope}`}`))].toSorted();
    const property = fc.property(grants, grants, (one, other) => {
      const [a, b] = [one, other].map((held) => engine.ability({ id: 'u' }, held).roleSet);
      expect(a === b).toBe(meant(one).join('\n') === meant(other).join('\n'));
    });
    fc.assert(property, { numRuns: 10_000 });
  });

  test('before and after a grant has ended by time, on any instance', async () => {
    const { castellans, bob, mallory } = tenants;
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    await addGrant(first(), { principalId: mallory.id, role: 'support', scope: 'acme', expiresAt });
    const all = castellans.apps.map((_, instance) => instance);
    const before = await Promise.all(all.map((instance) => mayDisable(mallory, bob, instance)));
    expect(before).toEqual(all.map(() => true));
    await until(() => new Date().toISOString() > expiresAt);
    for (const instance of all) expect(await mayDisable(mallory, bob, instance)).toBe(false);
  });

  test('of one principal and another, were their entries exchanged in Redis', async () => {
    const { castellans, ada, mallory, bob } = tenants;
    const rejected: boolean[] = [];
    for (const instance of castellans.apps.keys()) {
      const theirs = await entryOf(ada, instance);
      await forgetWhatIsKnownOf(mallory);
      await redis.set(keyOf(mallory), theirs);
      const seen = await rejects(instance, async () => {
        expect(await mayDisable(mallory, bob, instance)).toBe(false);
      });
      rejected.push(seen);
      expect(await mayDisable(ada, bob, instance)).toBe(true);
    }
    expect(rejected).toContain(true);
  });
});

describe('AC-89: what was read before a revocation', () => {
  /** Holds back what the instance reads of principals, as a slow network would, until it is let go. */
  function holdSnapshots({ database: { pool } }: App) {
    const [read, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
    Object.assign(pool, {
      query: async (...args: readonly unknown[]) => {
        const rows = await query(...args);
        const { name } = Object(args[0]) as { name?: unknown };
        if (name === 'snapshot-principals') {
          read.resolve();
          await go.promise;
        }
        return rows;
      },
    });
    return {
      /** Resolves when there is something that is held back. */
      read: read.promise,
      go(): void {
        go.resolve();
        Reflect.deleteProperty(pool, 'query');
      },
    };
  }

  test('and arrives after it counts nowhere: not where it was read, and not where it was cached', async () => {
    const { castellans, bob, gus } = tenants;
    for (const instance of castellans.apps.keys()) {
      const grant = await addGrant(first(), { principalId: gus.id, role: 'support', scope: 'acme' });
      await redis.del(keyOf(gus));
      const rejected = () => castellans.apps.map(({ services }) => services.standings.counts.cacheRejected);
      const before = rejected();
      const held = holdSnapshots(at(instance));
      const answer = mayDisable(gus, bob, instance);
      await held.read;
      const revoking = (instance + 1) % castellans.apps.length;
      expect(await revokeGrant(at(revoking), grant)).toBe(true);
      held.go();
      expect(await answer).toBe(false);
      for (const each of castellans.apps.keys()) expect(await mayDisable(gus, bob, each)).toBe(false);
      // It was not even written to Redis.
      expect(rejected()).toEqual(before);
    }
  });

  test('and is written to Redis after it is rejected by its label', async () => {
    const { castellans, bob, gus } = tenants;
    for (const instance of castellans.apps.keys()) {
      const grant = await addGrant(first(), { principalId: gus.id, role: 'support', scope: 'acme' });
      const old = await entryOf(gus, instance);
      expect(await mayDisable(gus, bob, instance)).toBe(true);
      await revokeGrant(first(), grant);
      const rejected: boolean[] = [];
      for (const each of castellans.apps.keys()) {
        await redis.set(keyOf(gus), old);
        const seen = await rejects(each, async () => {
          expect(await mayDisable(gus, bob, each)).toBe(false);
        });
        rejected.push(seen);
        await until(async () => (await redis.get(keyOf(gus))) !== old);
      }
      expect(rejected).toContain(true);
    }
  });
});

describe('AC-90: an entry of rights that somebody else wrote to Redis', () => {
  const ADMINISTRATOR = { roleId: 'role_x', role: 'administrator', scope: null, expiresAt: null };

  /** The entry with a body of the attacker's, whose label is newer than everything. */
  function forgedBodyOf(entry: string): string {
    const body = JSON.parse(entry.slice(entry.indexOf('\n') + 1)) as Record<string, unknown>;
    return JSON.stringify({ ...body, grants: [ADMINISTRATOR], asOf: Number.MAX_SAFE_INTEGER });
  }

  const signatureOf = (entry: string): string => entry.slice(0, entry.indexOf('\n'));

  const FORGED: Readonly<Record<string, (entry: string) => string>> = {
    'under the old signature': (entry) => `${signatureOf(entry)}\n${forgedBodyOf(entry)}`,
    'without a signature': forgedBodyOf,
    'under an empty signature': (entry) => `\n${forgedBodyOf(entry)}`,
    'under a signature of zeros': (entry) => `${signatureOf(entry).replaceAll(/[^.=]/g, '0')}\n${forgedBodyOf(entry)}`,
    'after the true one': (entry) => `${entry}\n${forgedBodyOf(entry)}`,
    'before the true one': (entry) => `${signatureOf(entry)}\n${forgedBodyOf(entry)}\n${entry}`,
    'that is no JSON': (entry) => `${signatureOf(entry)}\n{"grants":`,
    'with a prototype': (entry) => `${signatureOf(entry)}\n{"__proto__":{"grants":[]},"grants":[]}`,
  };

  test.each(Object.entries(FORGED))('%s gives nobody a right, on any instance', async (_, forge) => {
    const { castellans, bob, mallory } = tenants;
    const rejected: boolean[] = [];
    for (const instance of castellans.apps.keys()) {
      const forged = forge(await entryOf(mallory, instance));
      await forgetWhatIsKnownOf(mallory);
      await redis.set(keyOf(mallory), forged);
      const seen = await rejects(instance, async () => {
        expect(await mayDisable(mallory, bob, instance)).toBe(false);
      });
      rejected.push(seen);
      expect(await mayDisable(mallory, mallory, instance)).toBe(false);
      // What was there is replaced by what is so.
      await until(async () => (await redis.get(keyOf(mallory))) !== forged);
    }
    expect(rejected).toContain(true);
    expect({}).not.toHaveProperty('grants');
  });

  test('of the wrong kind or far too long is a miss', async () => {
    const { bob, mallory } = tenants;
    const poison = [
      () => redis.lpush(keyOf(mallory), 'x'),
      () => redis.set(keyOf(mallory), 'x'.repeat(1_000_000)),
      () => redis.set(keyOf(mallory), ''),
    ];
    for (const write of poison) {
      await forgetWhatIsKnownOf(mallory);
      await redis.del(keyOf(mallory));
      await write();
      expect(await mayDisable(mallory, bob, 1)).toBe(false);
    }
  });

  test('is not shown through any door', async () => {
    const { doors, bob, mallory } = tenants;
    const query = `query ($id: ID!) { user(id: $id) { email } viewerAbility { rules }
      _entities(representations: [{ __typename: "User", id: $id }]) { ... on User { email } } }`;
    for (const door of doors) {
      const forged = FORGED['under the old signature']?.(await entryOf(mallory, door.instance)) ?? '';
      await forgetWhatIsKnownOf(mallory);
      await redis.set(keyOf(mallory), forged);
      const { data } = await door.ask<{ viewerAbility: { rules: unknown } }>(
        query,
        { id: bob.id },
        mallory.accessToken,
      );
      expect({ door: door.name, data }).toMatchObject({ door: door.name, data: { user: null, _entities: [null] } });
      expect(JSON.stringify(data?.viewerAbility.rules)).not.toContain('manage');
    }
  });
});

import { describe, expect, test } from '@jest/globals';
import { DecisionCounts } from '../../../src/domain/analytics/decision-counts.ts';
import type { Count } from '../../../src/domain/analytics/rollup-store.ts';
import { Rollups } from '../../../src/domain/analytics/rollups.ts';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { Policy } from '../../../src/domain/policy/policy.ts';
import { ANONYMOUS, SYSTEM, type UserPrincipal } from '../../../src/domain/principals/principal.ts';
import type { Store, Transaction } from '../../../src/domain/store.ts';
import { systemClock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';

const SUBJECTS = `
subjects:
  Document: { actions: [read, update], attributes: { id: id, title: string, secret: boolean } }
  Folder: { actions: [read], attributes: { id: id } }
`;
const POLICY = `${SUBJECTS}
roles:
  reader:
    allow:
      - { action: read, subject: [Document, Folder] }
    deny:
      - { action: read, subject: Document, where: { secret: true } }
`;
const ALLOW = 'policy.yaml:9';
const DENY = 'policy.yaml:11';

/** A policy whose decisions are counted, and what was counted since they were last asked for. */
function counting({ keysMax = 100, text = POLICY } = {}) {
  const taken: Count[] = [];
  const add = async (_: string, counts: readonly Count[]) => {
    taken.push(...counts);
    return true;
  };
  const store = {
    transaction: async (work: (tx: Transaction) => Promise<unknown>) => {
      const value = await work({ rollups: { add } } as unknown as Transaction); // all that a flush needs
      return { value, logIds: [] };
    },
  } as unknown as Store;
  const rollups = new Rollups({ store, clock: systemClock, logger: createLog('silent'), keysMax });
  return {
    policy: new Policy(new DecisionCounts(rollups), systemClock),
    by: principal(text),
    counted: async () => {
      await rollups.flush();
      return taken.splice(0).map(({ dimensions, count }) => {
        const { action, subject, allowed, rule } = dimensions;
        return dimensions['overflow'] === true ? ['overflow', count] : [action, subject, allowed, rule, count];
      });
    },
  };
}

function principal(text: string): UserPrincipal {
  const engine = new Engine(parseBundle([{ path: 'policy.yaml', text }]));
  const facts = { id: 'user_1' };
  const grants = [{ roleId: 'role_1', role: 'reader', through: null, scope: null, expiresAt: null }];
  const standing = {
    record: { __typename: 'User', id: 'user_1' },
    facts,
    grants,
    engine,
    ability: engine.ability(facts, grants),
    mfaRequired: false,
    active: true,
    homeIds: [],
    epoch: '',
    asOf: 0,
    dependencies: [],
    validUntilMs: Infinity,
  };
  const credential = {
    key: null,
    sessionId: '',
    targets: [],
    epoch: '',
    label: 0,
    expiresAtMs: Infinity,
    provenAtMs: Infinity,
  };
  return { kind: 'user', id: 'user_1', standing, session: null, credential };
}

const document = (values: object = {}) => ({ __typename: 'Document', id: '1', ...values });

describe('decisions are counted', () => {
  test('by action, subject, outcome and rule, whatever the record and the field', async () => {
    const { policy, by, counted } = counting();
    for (const id of ['1', '2', '3']) policy.decide(by, 'read', { ...document(), id });
    policy.decide(by, 'read', document(), 'title');
    policy.decide(by, 'read', { __typename: 'Folder', id: '1' });
    policy.decide(by, 'read', document({ secret: true }));
    policy.decide(by, 'update', document());
    policy.decide(by, 'update', document({ secret: true }));
    expect(new Set(await counted())).toEqual(
      new Set([
        ['read', 'Document', true, ALLOW, 4],
        ['read', 'Folder', true, ALLOW, 1],
        ['read', 'Document', false, DENY, 1],
        ['update', 'Document', false, null, 2],
      ]),
    );
  });

  test('however they are asked for, and once for each', async () => {
    const { policy, by, counted } = counting();
    expect(() => policy.demand(by, 'update', document())).toThrow();
    policy.demandOpenly(by, 'read', document());
    policy.readable(by, document());
    policy.field(by, document({ title: '' }), 'id');
    policy.decide(policy.within(by, null), 'read', document());
    expect(new Set(await counted())).toEqual(
      new Set([
        ['update', 'Document', false, null, 1],
        // One of them is whether the refusal may admit that the record exists.
        ['read', 'Document', true, ALLOW, 5],
      ]),
    );
  });

  test('of users only', async () => {
    const { policy, counted } = counting();
    for (const by of [SYSTEM, ANONYMOUS]) policy.decide(by, 'read', document());
    expect(await counted()).toEqual([]);
  });

  test('under null where the policy does not know the word, however many of them there are', async () => {
    const { policy, by, counted } = counting({ keysMax: 10 });
    for (let n = 0; n < 100; n += 1) {
      policy.decide(by, `action${n}`, document());
      policy.decide(by, 'read', { __typename: `Type${n}`, id: '1' });
      policy.decide(by, 'read', document(), `field${n}`);
    }
    expect(new Set(await counted())).toEqual(
      new Set([
        [null, 'Document', false, null, 100],
        [null, null, false, null, 100],
        ['read', 'Document', false, null, 100],
      ]),
    );
  });

  test('in the overflow where there are more kinds of them than may be told apart, each once', async () => {
    const { policy, by, counted } = counting({ keysMax: 1 });
    for (let n = 0; n < 5; n += 1) {
      policy.decide(by, 'read', document());
      policy.decide(by, 'update', document());
      policy.decide(by, 'read', document({ secret: true }));
    }
    expect(new Set(await counted())).toEqual(
      new Set([
        ['read', 'Document', true, ALLOW, 5],
        ['overflow', 10],
      ]),
    );
  });

  test('anew after each flush, so that none is counted where it was written already', async () => {
    const { policy, by, counted } = counting();
    for (let n = 1; n <= 3; n += 1) {
      policy.decide(by, 'read', document());
      expect(await counted()).toEqual([['read', 'Document', true, ALLOW, 1]]);
    }
    expect(await counted()).toEqual([]);
  });

  test('apart where another policy says the opposite on the same line', async () => {
    const { policy, by, counted } = counting();
    policy.decide(by, 'read', document());
    const opposite = `${SUBJECTS}\nroles:\n  reader:\n    deny:\n      - { action: read, subject: Document }\n`;
    policy.decide(principal(opposite), 'read', document());
    expect(new Set(await counted())).toEqual(
      new Set([
        ['read', 'Document', true, ALLOW, 1],
        ['read', 'Document', false, ALLOW, 1],
      ]),
    );
  });
});

import { expect } from '@jest/globals';
import { AuditChainer } from '../../src/domain/audit/chainer.ts';
import type { AuditActor } from '../../src/domain/audit/entry.ts';
import { AuditVerifier } from '../../src/domain/audit/verify.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { Undertaking } from '../../src/kit/undertaking.ts';
import { anId, aUser } from './store-samples.ts';
import { addUser, holding, type Law, type OpenStore, passes, waits } from './store-steps.ts';

const keys = new Keys([new Secret('a secret for tests that is long enough')]);

async function aboutSubject({ store }: OpenStore, subjectId: string) {
  const filter = { kind: 'equals', attribute: 'subjectId', value: subjectId } as const;
  return store.audit.page({ filter, order: { by: 'at', descending: false }, after: null, limit: 10 });
}

const anEntry = (subjectId: string, by = 'system') => ({ by, sessionId: null, action: 'user.disable', subjectId });

function chainerOf({ store }: OpenStore): AuditChainer {
  return new AuditChainer({ store, keys, clock: systemClock, logger: createLog('silent'), everyMs: 60_000 });
}

/** What is wrong with the chain alone: other laws write what has no entry. */
async function chainOf({ store }: OpenStore) {
  const { problems, unchained } = await new AuditVerifier(store.audit, keys).verify([]);
  return { problems: problems.filter(({ batch, seq }) => batch !== null || seq !== null), unchained };
}

export const AUDIT_LAWS: Readonly<Record<string, Law>> = {
  'append: with who acts in the transaction, and how it was asked for': async (opened) => {
    const { id } = await addUser(opened.store, aUser());
    const actor: AuditActor = {
      id: anId('svc'),
      kind: 'service',
      sessionId: null,
      apiKeyId: anId('key'),
      policyVersion: 'v1',
      position: '00000000-7',
    };
    const asked = new Undertaking({ protocol: 'http', address: '203.0.113.7', operation: () => 'Leave' });
    const write = () => opened.store.transaction((tx) => tx.audit.append(anEntry(id, actor.id)), actor);
    await asked.run(write);
    expect(await aboutSubject(opened, id)).toMatchObject([
      {
        principalId: actor.id,
        principalKind: 'service',
        apiKeyId: actor.apiKeyId,
        address: '203.0.113.7',
        protocol: 'http',
        operation: 'Leave',
        subjectType: 'User',
        outcome: 'done',
        policyVersion: 'v1',
        position: '00000000-7',
        seq: null,
      },
    ]);
  },

  'append: of somebody else than who acts names no key, and in the background nobody asked': async (opened) => {
    const { id } = await addUser(opened.store, aUser());
    const asked = new Undertaking({ protocol: 'http', address: '203.0.113.7', operation: () => 'Other' });
    await asked.run(() => opened.store.transaction((tx) => tx.audit.append(anEntry(id, id))));
    expect(await aboutSubject(opened, id)).toMatchObject([
      {
        principalId: id,
        principalKind: 'user',
        apiKeyId: null,
        address: null,
        protocol: 'background',
        operation: null,
      },
    ]);
  },

  'chain: an entry that commits later comes later, whatever its id': async (opened) => {
    const [early, late] = [await addUser(opened.store, aUser()), await addUser(opened.store, aUser())];
    const chainer = chainerOf(opened);
    const open = holding(opened.store, (tx) => tx.audit.append(anEntry(early.id)));
    await open.reached;
    await opened.store.transaction((tx) => tx.audit.append(anEntry(late.id)));
    await chainer.chain();
    expect(await aboutSubject(opened, early.id)).toEqual([]);
    await open.end();
    await chainer.chain();
    const [first] = await aboutSubject(opened, early.id);
    const [second] = await aboutSubject(opened, late.id);
    expect(Number(first?.id.slice('audit_'.length))).toBeLessThan(Number(second?.id.slice('audit_'.length)));
    expect(first?.seq ?? 0).toBeGreaterThan(second?.seq ?? Infinity);
    expect(await chainOf(opened)).toEqual({ problems: [], unchained: 0 });
  },

  'chain: several at once leave one chain, with every entry in it once': async (opened) => {
    const users = [await addUser(opened.store, aUser()), await addUser(opened.store, aUser())];
    const chainers = [1, 2, 3].map(() => chainerOf(opened));
    await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        await opened.store.transaction((tx) => tx.audit.append(anEntry(users[n % 2]?.id ?? '')));
        await chainers[n % 3]?.chain();
      }),
    );
    const entries = [
      ...(await aboutSubject(opened, users[0]?.id ?? '')),
      ...(await aboutSubject(opened, users[1]?.id ?? '')),
    ];
    expect(new Set(entries.map(({ seq }) => seq)).size).toBe(12);
    expect(await chainOf(opened)).toEqual({ problems: [], unchained: 0 });
  },

  'chain: what was written is chained when it is stopped, and not only at the next start': async (opened) => {
    const { id } = await addUser(opened.store, aUser());
    const chainer = chainerOf(opened);
    chainer.rounds.start();
    await opened.store.transaction((tx) => tx.audit.append(anEntry(id)));
    await chainer.rounds.stop();
    expect(await aboutSubject(opened, id)).toMatchObject([{ seq: expect.any(Number) }]);
    expect(await chainOf(opened)).toEqual({ problems: [], unchained: 0 });
  },

  'present: those that are there, with their places in the chain': async (opened) => {
    const { id } = await addUser(opened.store, aUser());
    await opened.store.transaction((tx) => tx.audit.appendAll([anEntry(id), anEntry(id)]));
    await chainerOf(opened).chain();
    await opened.store.transaction((tx) => tx.audit.append(anEntry(id)));
    const [first, second, third] = await aboutSubject(opened, id);
    const numbers = [first, second, third].map((entry) => entry?.id.slice('audit_'.length) ?? '');
    const found = new Map(await opened.store.audit.present([...numbers, '999999999'], 60));
    expect([...numbers, '999999999'].map((number) => found.get(number))).toEqual([
      first?.seq,
      second?.seq,
      null,
      undefined,
    ]);
  },

  'unaccompanied: what has no entry of its transaction, and where to go on from': async ({ store }) => {
    const [alone, accompanied] = [anId('sess'), anId('sess')];
    const change = { kind: 'revoked', userId: null, reason: 'test' } as const;
    await store.transaction((tx) => tx.authority.append({ target: alone, ...change }));
    await store.transaction(async (tx) => {
      await tx.authority.append({ target: accompanied, ...change });
      await tx.audit.append(anEntry(accompanied));
    });
    const found: string[] = [];
    for (let after: string | null = '0'; after !== null;) {
      const { last, without } = await store.audit.unaccompanied('authority_log', after, 5);
      found.push(...without.map(({ subjectId }) => subjectId));
      after = last;
    }
    expect(found).toContain(alone);
    expect(found).not.toContain(accompanied);
    const { first, head, found: count } = (await store.audit.companions()) ?? { first: 0, head: 0, found: 0 };
    expect(count).toBe(head - first + 1);
  },

  'begin: waits for the turn, or says that it is somebody else’s': async (opened) => {
    const turn = await waits(
      opened,
      (tx) => tx.auditChain.begin('wait'),
      (tx) => tx.auditChain.begin('wait'),
    );
    expect(turn).toBe(true);
    await passes(
      opened,
      (tx) => tx.auditChain.begin('wait'),
      async (tx) => expect(await tx.auditChain.begin('try')).toBe(false),
    );
  },

  'claim and take: one holder at a time, from where the last one stopped': async ({ store }) => {
    const claim = async (holder: string, seconds = 60) =>
      (await store.transaction((tx) => tx.shipping.claim('law', holder, seconds))).value;
    const take = async (holder: string, seq: number, seconds = 60) =>
      (await store.transaction((tx) => tx.shipping.take('law', holder, seq, seconds))).value;
    expect(await claim('one')).toBe(0);
    expect(await claim('other')).toBeNull();
    expect(await take('other', 9)).toBe(false);
    expect(await take('one', 7)).toBe(true);
    expect(await claim('one')).toBe(7);
    expect(await take('one', 5, -1)).toBe(true);
    expect(await claim('other')).toBe(7);
    expect(await take('one', 8)).toBe(false);
  },
};

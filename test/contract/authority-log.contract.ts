import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { AuthorityLog, ChangeKind, PollReply, PollRequest } from '../../src/domain/authority/log.ts';

export interface OpenAuthorityLog {
  readonly log: AuthorityLog;
  /** Commits one entry; the rows it added. */
  readonly append: (target: string, kind?: ChangeKind) => Promise<readonly string[]>;
  /** Makes everything in the log, and every sign of life, so much older. */
  readonly age: (seconds: number) => Promise<void>;
  /** Removes what is no longer kept: everything up to `seq`. */
  readonly trim: (seq: number) => Promise<void>;
  /** As a backup does that was made at `seq`. */
  readonly setBack: (seq: number) => Promise<void>;
  readonly release: () => Promise<void>;
}

export interface AuthorityLogDriver {
  readonly name: string;
  readonly open: () => Promise<OpenAuthorityLog>;
}

export function describeAuthorityLogContract({ name, open }: AuthorityLogDriver): void {
  describe(`the ${name} authority log`, () => {
    let opened: OpenAuthorityLog;

    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened?.release());

    for (const [law, prove] of Object.entries(LAWS)) test(law, () => prove(opened));
  });
}

type Law = (opened: OpenAuthorityLog) => Promise<void>;

/** An instance that has joined, and how it polls. */
async function join(log: AuthorityLog) {
  const [instanceId, { epoch }] = [randomUUID(), await log.open(3_600)];
  await log.register(instanceId);
  return {
    instanceId,
    epoch,
    poll: (request: Partial<PollRequest> = {}): Promise<PollReply> =>
      log.poll({ instanceId, epoch, applied: 0, limit: 100, heartbeat: false, ...request }),
  };
}

const LAWS: Readonly<Record<string, Law>> = {
  'open: epoch, head, and the newest position older than the window, 0 when there is none': async (opened) => {
    const { log, append, age } = opened;
    const { epoch } = await log.standing();
    expect(await log.open(60)).toEqual({ epoch, head: 0, trimmed: 0 });
    for (const target of ['a', 'b']) await append(target);
    expect(await log.open(60)).toEqual({ epoch, head: 2, trimmed: 0 });
    await age(61);
    await append('c');
    expect(await log.open(60)).toEqual({ epoch, head: 3, trimmed: 2 });
    expect(await log.open(600)).toEqual({ epoch, head: 3, trimmed: 0 });
  },

  'poll: entries after `applied` in order, at most `limit`, and head and epoch with them': async ({ log, append }) => {
    const { poll, epoch } = await join(log);
    expect(await poll()).toEqual({ epoch, head: 0, oldest: 1, registered: true, instances: 1, entries: [] });
    for (const target of ['a', 'b', 'c', 'd']) await append(target, target === 'b' ? 'revoked' : 'changed');
    for (const heartbeat of [false, true]) {
      const { entries, ...reply } = await poll({ applied: 1, limit: 2, heartbeat });
      expect(reply).toEqual({ epoch, head: 4, oldest: 1, registered: true, instances: 1 });
      expect(entries).toMatchObject([
        { seq: 2, target: 'b', kind: 'revoked', userId: null, reason: 'test' },
        { seq: 3, target: 'c', kind: 'changed' },
      ]);
      expect(await poll({ applied: 4, heartbeat })).toMatchObject({ head: 4, entries: [] });
    }
  },

  'poll: the oldest position the log still has; `head + 1` when it is empty': async ({ log, append, trim }) => {
    const { poll } = await join(log);
    for (const target of ['a', 'b', 'c']) await append(target);
    await trim(1);
    expect(await poll()).toMatchObject({ oldest: 2, head: 3, entries: [{ seq: 2 }, { seq: 3 }] });
    await trim(3);
    for (const heartbeat of [false, true])
      expect(await poll({ heartbeat })).toMatchObject({ oldest: 4, head: 3, entries: [] });
  },

  'poll: a heartbeat commits `applied` into the row, other polls do not': async ({ log, append }) => {
    const { poll, instanceId } = await join(log);
    for (const target of ['a', 'b']) await append(target);
    await poll({ applied: 2 });
    expect((await log.standing()).members).toEqual([{ instanceId, applied: 0 }]);
    await poll({ applied: 1, heartbeat: true });
    expect((await log.standing()).members).toEqual([{ instanceId, applied: 1 }]);
    await poll({ applied: 2, heartbeat: true });
    expect((await log.standing()).members).toEqual([{ instanceId, applied: 2 }]);
  },

  'poll: how many instances there are that are not marked': async ({ log, age }) => {
    const one = await join(log);
    const other = await join(log);
    for (const heartbeat of [false, true]) expect(await one.poll({ heartbeat })).toMatchObject({ instances: 2 });
    await age(7);
    await other.poll({ heartbeat: true });
    await log.markSilent(6_000);
    expect(await other.poll()).toMatchObject({ instances: 1 });
    await log.leave(other.instanceId);
    expect(await one.poll()).toMatchObject({ instances: 0 });
  },

  'poll: progress made in another history, or beyond the head, is written as 0': async ({ log, append }) => {
    const { poll, instanceId } = await join(log);
    await append('a');
    for (const request of [{ epoch: randomUUID() }, { epoch: '' }, { applied: 2 }]) {
      await poll({ applied: 1, heartbeat: true });
      await poll({ applied: 1, ...request, heartbeat: true });
      expect((await log.standing()).members).toEqual([{ instanceId, applied: 0 }]);
    }
  },

  'poll: an instance without a row, and a marked one, are told that they are not registered': async (opened) => {
    const { log, age } = opened;
    const [one, other] = [await join(log), await join(log)];
    await age(7);
    await other.poll({ heartbeat: true });
    expect(await log.markSilent(6_000)).toEqual([one.instanceId]);
    for (const heartbeat of [false, true]) {
      expect(await one.poll({ heartbeat })).toMatchObject({ registered: false });
      expect(await one.poll({ heartbeat, instanceId: randomUUID() })).toMatchObject({ registered: false });
      expect(await other.poll({ heartbeat })).toMatchObject({ registered: true });
    }
    // A sign of life after the mark changes nothing: the waiting for its last lease has begun.
    expect(await log.markSilent(6_000)).toEqual([one.instanceId]);
  },

  'register and leave: who is a member, in the snapshot of the head': async ({ log, append }) => {
    const [one, other] = [await join(log), await join(log)];
    const names = async () => (await log.standing()).members.map(({ instanceId }) => instanceId).toSorted();
    expect(await names()).toEqual([one.instanceId, other.instanceId].toSorted());
    await log.leave(one.instanceId);
    await log.leave(one.instanceId);
    expect(await names()).toEqual([other.instanceId]);
    await expect(log.register(other.instanceId)).rejects.toThrow();
    await append('a');
    expect(await log.standing()).toEqual({
      epoch: one.epoch,
      head: 1,
      members: [{ instanceId: other.instanceId, applied: 0 }],
    });
  },

  'committed: the position of the last of these rows, with all members; the head when there are no rows': async ({
    log,
    append,
  }) => {
    const { instanceId, epoch } = await join(log);
    const [first, second] = [await append('a'), await append('b')];
    const standing = { epoch, head: 2, members: [{ instanceId, applied: 0 }] };
    expect(await log.committed(first)).toEqual({ position: 1, standing });
    expect(await log.committed([...second, ...first])).toEqual({ position: 2, standing });
    expect(await log.committed([])).toEqual({ position: 2, standing });
  },

  'markSilent and removeMarked: only who was silent is marked, and only who is still marked goes': async (opened) => {
    const { log, age } = opened;
    const [silent, alive] = [await join(log), await join(log)];
    const names = async () => (await log.standing()).members.map(({ instanceId }) => instanceId).toSorted();
    await age(5);
    expect(await log.markSilent(6_000)).toEqual([]);
    await age(2);
    await alive.poll({ heartbeat: true });
    expect(await log.markSilent(6_000)).toEqual([silent.instanceId]);
    // Marked ones still count: they may hold a lease.
    expect(await names()).toEqual([silent.instanceId, alive.instanceId].toSorted());
    await log.removeMarked([alive.instanceId]);
    expect(await names()).toEqual([silent.instanceId, alive.instanceId].toSorted());
    await log.removeMarked([silent.instanceId, alive.instanceId, randomUUID()]);
    expect(await names()).toEqual([alive.instanceId]);
    expect(await log.markSilent(6_000)).toEqual([]);
  },

  'renewEpoch: a new history when the database was set back behind `seq` in `epoch`, once, and nobody has progress in it':
    async ({ log, append, setBack }) => {
      const { poll, instanceId, epoch } = await join(log);
      for (const target of ['a', 'b', 'c']) await append(target);
      await poll({ applied: 3, heartbeat: true });
      await log.renewEpoch(epoch, 3);
      await log.renewEpoch(randomUUID(), 99);
      expect(await log.standing()).toMatchObject({ epoch, members: [{ applied: 3 }] });

      await setBack(1);
      await Promise.all([log.renewEpoch(epoch, 3), log.renewEpoch(epoch, 3), log.renewEpoch(epoch, 2)]);
      const renewed = await log.standing();
      expect(renewed).toEqual({ epoch: expect.any(String), head: 1, members: [{ instanceId, applied: 0 }] });
      expect(renewed.epoch).not.toBe(epoch);
      await log.renewEpoch(epoch, 3);
      expect(await log.standing()).toEqual(renewed);
      await poll({ applied: 1, heartbeat: true });
      expect((await log.standing()).members).toEqual([{ instanceId, applied: 0 }]);
    },
};

import { join } from 'node:path';
import { parseBundle, type PolicyFile } from '../src/domain/policy/parse.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { nowMs } from './support/client-process.ts';
import { startPlatform } from './support/platform.ts';
import { applyPolicy, policyInForce } from './support/policy.ts';
import { Population } from './support/population.ts';
import { quantile } from './support/statistics.ts';
import { Subscribers } from './support/subscribers.ts';
import { issueTokens } from './support/tokens.ts';

const INSTANCES = 3;
const CLIENTS = 1_000;

/** One more rule for the role that everybody has: the rules of every client become others. */
const extra = (n: number): PolicyFile => ({
  path: 'extra.yaml',
  text: `roles:
  member:
    allow:
      - { action: read, subject: User, where: { name: 'Round ${n}' }, within: any }
`,
});

interface Change {
  /** From sending the mutation, for each client. */
  readonly eventMs: readonly number[];
  readonly mutationMs: number;
  readonly waitedMs: number;
}

export const permissionChanges: Bench = {
  name: 'permission-changes',
  title: `applyPolicy with one more rule for all, to ${CLIENTS.toLocaleString('en-US')} clients of permissionsChanged on ${INSTANCES} instances`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const instances: Child[] = [];
    for (let n = 0; n < INSTANCES; n += 1) instances.push(await platform.startCastellan());
    const [castellan] = instances;
    if (castellan === undefined) throw new TypeError('an instance is needed');
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const users = await population.copies(await population.create('acme/team-3'), CLIENTS);
    await population.settle();
    const tokens = await issueTokens(platform.env, users);

    const rounds = quick ? 5 : 25;
    const { files } = await policyInForce(castellan, administrator);
    const changes: Change[] = [];
    {
      await using clients = await Subscribers.open(tokens.map((token, n) => [urlAt(instances, n), token]));
      // The first round compiles what later ones run, and is not counted.
      for (let round = 0; round <= rounds; round += 1) {
        const { version: before } = await policyInForce(castellan, administrator);
        const next = [...files, extra(round)];
        const { arrived } = await clients.expect(parseBundle(next).version);
        const sentMs = nowMs();
        const { receipt } = await applyPolicy(castellan, administrator, next, before);
        const mutationMs = nowMs() - sentMs;
        if (!receipt.enforced || receipt.acknowledged !== INSTANCES) {
          throw new Error(`this receipt is not that of ${INSTANCES} live instances: ${JSON.stringify(receipt)}`);
        }
        const eventMs = (await arrived).map((atMs) => atMs - sentMs);
        if (round > 0) changes.push({ eventMs, mutationMs, waitedMs: receipt.waitedMs });
      }
    }
    const raw = await rawBroadcasts(rounds);

    const last = ({ eventMs }: Pick<Change, 'eventMs'>) => quantile(eventMs, 1);
    return {
      columns: ['', 'times', 'p50 ms', 'p99 ms', 'max ms'],
      rows: [
        row(
          'mutation sent → event at a client',
          changes.flatMap(({ eventMs }) => eventMs),
        ),
        row('mutation sent → event at the last client', changes.map(last)),
        row(
          'the whole mutation',
          changes.map(({ mutationMs }) => mutationMs),
        ),
        row(
          "the receipt's waitedMs",
          changes.map(({ waitedMs }) => waitedMs),
        ),
        row('raw ws, one process, frame built once: POST sent → frame at a client', raw.flat()),
        row(
          'raw ws, one process, frame built once: POST sent → frame at the last client',
          raw.map((eventMs) => last({ eventMs })),
        ),
      ],
      notes: [
        'every client is a user of its own; all of them are in one further process, beside the instances, PostgreSQL and Redis',
        'every receipt was enforced and acknowledged by all instances; every client got its event every time',
      ],
    };
  },
};

/** As many sockets on one bare server that decides nothing. */
async function rawBroadcasts(rounds: number): Promise<readonly (readonly number[])[]> {
  await using server = await startChild({ script: join(import.meta.dirname, 'servers', 'raw-broadcast.ts') });
  await using clients = await Subscribers.open(Array.from({ length: CLIENTS }, () => [server.url, '']));
  const found: (readonly number[])[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const text = `version-${round}-of-the-policy`;
    const { arrived } = await clients.expect(text);
    const sentMs = nowMs();
    await fetch(server.url, { method: 'POST', body: text });
    const eventMs = (await arrived).map((atMs) => atMs - sentMs);
    if (round > 0) found.push(eventMs);
  }
  return found;
}

function urlAt(instances: readonly Child[], n: number): string {
  return instances[n % instances.length]?.url ?? '';
}

function row(name: string, values: readonly number[]): readonly Cell[] {
  return [name, values.length, quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)];
}

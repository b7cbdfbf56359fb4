import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, Table } from './support/bench.ts';
import { inFreshProcess } from './support/fresh.ts';
import { installPeers } from './support/peers.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { median } from './support/statistics.ts';
import { issueTokensOf } from './support/tokens.ts';

const SESSIONS = 2_000;

interface Costs {
  readonly warm: readonly { readonly name: string; readonly nanos: readonly number[] }[];
  readonly bareMicros: number;
  readonly coldMicros: number;
  readonly againMicros: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

export const identify: Bench = {
  name: 'identify',
  title: 'from a credential to a principal with its ability, in process',

  async run({ quick }): Promise<Table> {
    await installPeers((line) => process.stderr.write(`${line}\n`));
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    await using rows = await SessionRows.open(platform.databaseUrl);
    const { sessionId } = await (await administrator.createMember()).signIn();
    const count = quick ? SESSIONS / 20 : SESSIONS;
    const users = await population.copies(await population.create('acme/team-3', ['support']), count * 2);
    const tokens = await issueTokensOf(platform.env, await rows.add(sessionId, users));
    await population.settle();
    await rows.settle();

    const folder = await mkdtemp(join(tmpdir(), 'castellan-bench-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const file = async (name: string, lines: readonly string[]) => {
      const path = join(folder, name);
      await writeFile(path, lines.join('\n'));
      return path;
    };
    const rounds = quick ? 3 : 15;
    const costs = await inFreshProcess<Costs>(
      'identify.ts',
      [await file('warm', tokens.slice(0, count)), await file('cold', tokens.slice(count)), `${rounds}`],
      { NODE_ENV: 'production', ...platform.env },
    );
    const [yardstick] = costs.warm;
    return {
      columns: ['', 'µs', 'ratio'],
      rows: [
        ...costs.warm.map(({ name, nanos }) => [
          `${name} (processor time)`,
          median(nanos) / 1_000,
          median(nanos.map((each, round) => each / (yardstick?.nanos[round] ?? NaN))),
        ]),
        ['a bare GET of Redis (time)', costs.bareMicros, 1],
        ['Castellan identify, cold, through Redis (time)', costs.coldMicros, costs.coldMicros / costs.bareMicros],
        ['a bare GET again, as a control (time)', costs.againMicros, costs.againMicros / costs.bareMicros],
      ],
      notes: [
        `medians of ${rounds} rounds, the candidates taking turns; ${count} sessions of as many users, and better-auth has 8`,
        'better-auth finds sessions in Redis (secondaryStorage), without its cookie cache, which may be stale',
        `cold: ${costs.cacheHits} standings came from Redis and ${costs.cacheMisses} did not; a token is verified the first time it is seen, and that is in it`,
      ],
    };
  },
};

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, Table } from './support/bench.ts';
import { inFreshProcess } from './support/fresh.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { issueTokens } from './support/tokens.ts';

const SESSIONS = 10_000;
/** Enough for the code of all that follows to be compiled. */
const WARM_UP = 1_000;

interface Bytes {
  readonly recordBytes: number;
  readonly standingBytes: number;
  readonly tokenBytes: number;
}

export const memory: Bench = {
  name: 'memory',
  title: 'heap of what an instance keeps of each session',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const count = quick ? SESSIONS / 5 : SESSIONS;
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const template = await population.create('acme/team-3', ['support']);
    const early = await population.copies(template, WARM_UP);
    const users = await population.copies(template, count);
    await population.settle();

    const folder = await mkdtemp(join(tmpdir(), 'castellan-bench-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const file = async (name: string, lines: readonly string[]) => {
      const path = join(folder, name);
      await writeFile(path, lines.join('\n'));
      return path;
    };
    const { recordBytes, standingBytes, tokenBytes } = await inFreshProcess<Bytes>(
      'sessions.ts',
      [
        await file('users', users),
        await file('warm-up', await issueTokens(platform.env, early)),
        await file('tokens', await issueTokens(platform.env, users)),
      ],
      { NODE_ENV: 'production', ...platform.env },
    );
    return {
      columns: ['', 'bytes'],
      rows: [
        ["a user's record alone", recordBytes],
        ['a standing: the record, grants, ability and labels, one for each user', standingBytes],
        ['beyond the record', standingBytes - recordBytes],
        ['a verified access token, one for each session', tokenBytes],
        ['a session of a user who has one, beyond the record', standingBytes - recordBytes + tokenBytes],
      ],
      notes: [
        `differences of the used heap after garbage collections, over ${count.toLocaleString('en-US')} users with one session and two roles each`,
      ],
    };
  },
};

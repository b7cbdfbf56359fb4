/**
 * What it costs to find out who shows a credential, in one process. Wants the environment of a Castellan; its arguments are
 * files with one access token a line: those to be known already, and those of sessions that only Redis knows. Prints JSON.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { median, rotated } from '../support/statistics.ts';
import { betterAuthSessions } from './better-auth.ts';

const BETTER_AUTH_SESSIONS = 8;
/** What a cache entry may weigh, so that the bare GET carries as much. */
const ENTRY_BYTES = 1_000;
/** What was written to the shared cache has arrived by then. */
const SETTLE_MS = 1_000;

const [warmFile = '', coldFile = '', rounds = '5'] = process.argv.slice(2);
const [warm, cold] = [linesOf(warmFile), linesOf(coldFile)];
const config = readConfig(process.env);
const redisUrl = config.redisUrl?.reveal() ?? '';
const first = await createApp(config);
const { identification } = first.services;
const know = (token: string) => identification.identify({ kind: 'accessToken', token });
for (const token of [...warm, ...cold]) await know(token);
await sleep(SETTLE_MS);

const peer = await betterAuthSessions(redisUrl, BETTER_AUTH_SESSIONS);
let at = 0;
const next = <T>(all: readonly T[]): T => {
  at += 1;
  const found = all[at % all.length];
  if (found === undefined) throw new TypeError('there is nothing to ask for');
  return found;
};
const candidates = [
  { name: 'Castellan identifyWarm', calls: 200_000, ask: () => identification.identifyWarm(next(warm)) !== null },
  { name: 'Castellan identify, awaited', calls: 50_000, ask: async () => (await know(next(warm))).kind === 'user' },
  { name: 'better-auth getSession, Redis', calls: 500, ask: () => next(peer.lookUps)() },
].map((each) => ({ ...each, nanos: [] as number[] }));
for (let round = 0; round <= Number(rounds); round += 1) {
  for (const { name, calls, ask, nanos } of rotated(candidates, round)) {
    const before = process.cpuUsage();
    for (let n = 0; n < calls; n += 1) {
      const answer = ask();
      if (!(typeof answer === 'boolean' ? answer : await answer)) throw new Error(`${name} does not know a session`);
    }
    const { user, system } = process.cpuUsage(before);
    // The first round is for the compiler.
    if (round > 0) nanos.push(((user + system) * 1_000) / calls);
  }
}
peer.close();

const second = await createApp(config);
const redis = new Redis(redisUrl);
await redis.set('bench:bare', 'x'.repeat(ENTRY_BYTES));
const bareMicros: number[] = [];
const coldMicros: number[] = [];
const againMicros: number[] = [];
for (const token of cold) {
  bareMicros.push(await microsOf(() => redis.get('bench:bare')));
  coldMicros.push(await microsOf(() => second.services.identification.identify({ kind: 'accessToken', token })));
  againMicros.push(await microsOf(() => redis.get('bench:bare')));
}
const { cacheHits, cacheMisses } = second.services.standings.counts;
redis.disconnect();
await second.close();
await first.close();
process.stdout.write(
  `${JSON.stringify({ warm: candidates.map(({ name, nanos }) => ({ name, nanos })), bareMicros: median(bareMicros), coldMicros: median(coldMicros), againMicros: median(againMicros), cacheHits, cacheMisses })}\n`,
);
process.exit(0);

async function microsOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) * 1_000;
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/**
 * What sessions occupy in the heap of a Castellan, by what is kept of each. Wants --expose-gc and the environment of a
 * Castellan; its arguments are files with one user id and with one access token a line. Prints JSON.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';

const BATCH = 500;
const SETTLE_MS = 1_000;

const [users = '', warmUp = '', tokens = ''] = process.argv.slice(2);
const ids = linesOf(users);
const app = await createApp(readConfig(process.env));
const { standings, identification } = app.services;
const store = createStore(app.database);

// What is made once, whoever comes first: connections, statements, the code of all that follows.
await bytesOfEach(linesOf(warmUp), async (batch) => void (await Promise.all(batch.map(identify))));

const records: unknown[] = [];
const recordBytes = await bytesOfEach(ids, async (batch) => void records.push(...(await store.users.findMany(batch))));
records.length = 0;
const standingBytes = await bytesOfEach(
  ids,
  async (batch) => void (await Promise.all(batch.map((id) => standings.of(id)))),
);
const shown = linesOf(tokens);
const tokenBytes = await bytesOfEach(shown, async (batch) => void (await Promise.all(batch.map(identify))));
const known = shown.filter((token) => identification.identifyWarm(token) !== null).length;
if (known !== shown.length) throw new Error(`${known} of ${shown.length} sessions are known`);
await app.close();
process.stdout.write(`${JSON.stringify({ recordBytes, standingBytes, tokenBytes })}\n`);

async function identify(token: string): Promise<void> {
  await identification.identify({ kind: 'accessToken', token });
}

async function bytesOfEach(all: readonly string[], keep: (batch: readonly string[]) => Promise<void>): Promise<number> {
  const before = await heapUsed();
  for (let from = 0; from < all.length; from += BATCH) await keep(all.slice(from, from + BATCH));
  return Math.round(((await heapUsed()) - before) / all.length);
}

/** Once what was written to the shared cache has had time to be answered. */
async function heapUsed(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc');
  await sleep(SETTLE_MS);
  for (let times = 0; times < 3; times += 1) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

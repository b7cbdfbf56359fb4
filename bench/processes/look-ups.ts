/**
 * What the first look-up of a session costs an instance that has just started. Wants the environment of a Castellan; its argument
 * is a file with an access token and a session id a line. Prints JSON.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { median } from '../support/statistics.ts';

/** Enough for the code of all that follows to be compiled. */
const WARM_UP = 100;
/** What was written to the shared cache has arrived by then. */
const SETTLE_MS = 1_000;

const [file = ''] = process.argv.slice(2);
const lines = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => line.split(' '));
const app = await createApp(readConfig(process.env));
const { identification } = app.services;
const store = createStore(app.database);
const identifyMicros: number[] = [];
const statementMicros: number[] = [];
for (const [token = '', sessionId = ''] of lines) {
  statementMicros.push(await microsOf(() => store.snapshots.sessions([sessionId])));
  identifyMicros.push(await microsOf(() => identification.identify({ kind: 'accessToken', token })));
}
await sleep(SETTLE_MS);
await app.close();
const typical = (micros: readonly number[]) => median(micros.slice(Math.min(WARM_UP, micros.length / 2)));
process.stdout.write(
  `${JSON.stringify({ identifyMicros: typical(identifyMicros), statementMicros: typical(statementMicros) })}\n`,
);
process.exit(0);

async function microsOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) * 1_000;
}

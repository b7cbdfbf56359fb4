/**
 * What `npm run bench` runs: `node bench/run.ts [--quick] [--json FILE] [--against MAIN]… [name…]`.
 *
 * Every bench compares candidates side by side in one run, so read its ratios; the figures are those of this machine.
 * `--against ../other/src/main.ts` measures another Castellan beside this one, where a bench knows how to.
 */
import { writeFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { audit } from './audit.ts';
import { apiKeys } from './api-keys.ts';
import { clients } from './clients.ts';
import { checks } from './checks.ts';
import { decide } from './decide.ts';
import { decidePeers } from './decide-peers.ts';
import { entities } from './entities.ts';
import { identify } from './identify.ts';
import { limits } from './limits.ts';
import { lists } from './lists.ts';
import { me } from './me.ts';
import { memory } from './memory.ts';
import { overload } from './overload.ts';
import { permissionChanges } from './permission-changes.ts';
import { policyGrowth } from './policy-growth.ts';
import { receipts } from './receipts.ts';
import { records } from './records.ts';
import { refresh } from './refresh.ts';
import { roundTrips } from './round-trips.ts';
import { sessions } from './sessions.ts';
import { signIn } from './sign-in.ts';
import { sockets } from './sockets.ts';
import { start } from './start.ts';
import { subscribers } from './subscribers.ts';
import { usage } from './usage.ts';
import { type Bench, format, type Table } from './support/bench.ts';

const BENCHES: readonly Bench[] = [
  me,
  apiKeys,
  roundTrips,
  checks,
  lists,
  entities,
  receipts,
  permissionChanges,
  memory,
  sessions,
  identify,
  clients,
  sockets,
  subscribers,
  refresh,
  signIn,
  overload,
  limits,
  usage,
  start,
  decide,
  decidePeers,
  policyGrowth,
  audit,
  records,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, json: { type: 'string' }, against: { type: 'string', multiple: true } },
});

// Leaves by way of `exit`, which ends the servers that run.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const options = {
  quick: values.quick ?? false,
  against: (values.against ?? []).map((main) => resolve(main)),
};
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryMiB: Math.round(totalmem() / 1_024 / 1_024),
  platform: `${platform()} ${arch()}`,
  node: process.version,
  date: new Date().toISOString(),
};
const results: { name: string; title: string; seconds: number; table: Table }[] = [];

say(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.date}${options.quick ? ' (quick)' : ''}`);
for (const bench of chosen(positionals)) {
  const { name, title } = bench;
  say(`\n${name}: ${title}\n`);
  const startedMs = performance.now();
  const table = await bench.run(options);
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  say(`${format(table)}\n  took ${seconds} s`);
  results.push({ name, title, seconds, table });
}
if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ machine, quick: options.quick, results }, null, 2)}\n`);
}
process.exit(0);

function chosen(names: readonly string[]): readonly Bench[] {
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    const known = BENCHES.map(({ name }) => name).join(', ');
    process.stderr.write(`There is no bench ${unknown.join(', ')}. There are: ${known}.\n`);
    process.exit(2);
  }
  return names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

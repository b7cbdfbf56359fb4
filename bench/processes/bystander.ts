/** Asks now and then, and tells how long that took; see support/bystander.ts. */
import { Arrivals } from '../support/arrivals.ts';
import type { Command, Report } from '../support/bystander.ts';
import type { Failed } from '../support/client-process.ts';

/** Of those that are not answered yet. */
const CONNECTIONS = 64;

process.on('message', (command: Command) => {
  run(command).then(report, (error: unknown) => report({ kind: 'failed', why: String(error) }));
});

async function run({ url, requests, perSecond, seconds }: Command): Promise<Report> {
  using arrivals = await Arrivals.open(url, CONNECTIONS);
  const buffers = requests.map((request) => Buffer.from(request, 'base64'));
  const request = (n: number) => buffers[n % buffers.length] ?? Buffer.alloc(0);
  const [came] = await arrivals.run(request, [{ perSecond, seconds }]);
  return { kind: 'asked', answeredMs: [...(came?.answeredMs ?? [])], refusedMs: [...(came?.refusedMs ?? [])] };
}

function report(what: Report | Failed): void {
  process.send?.(what);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Connections } from './load.ts';

/** Somebody who asks one thing after the other. */
export interface Asker {
  ask(): Promise<unknown>;
  close(): void;
}

/**
 * Requests that come at a fixed rate, whatever becomes of those before: each asker takes its turn, and one that still waits for
 * an answer has the next one wait, too. Milliseconds from when each was meant to be sent to its answer.
 */
export async function openLoop(
  askers: readonly Asker[],
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Float64Array> {
  const count = Math.round(perSecond * seconds);
  const latencies = new Float64Array(count);
  const last = new Map<Asker, Promise<void>>();
  const startMs = performance.now();
  for (let n = 0; n < count; n += 1) {
    const dueMs = startMs + (n * 1_000) / perSecond;
    const aheadMs = dueMs - performance.now();
    if (aheadMs >= 1) await sleep(aheadMs);
    const asker = askers[n % askers.length];
    if (asker === undefined) throw new TypeError('there is nobody to ask');
    const answered = (last.get(asker) ?? Promise.resolve()).then(async () => {
      await asker.ask();
      latencies[n] = performance.now() - dueMs;
    });
    // Awaited at the end.
    answered.catch(() => {});
    last.set(asker, answered);
  }
  await Promise.all(last.values());
  return latencies;
}

/** One keep-alive connection for each request. */
export function httpAskers(url: string, requests: readonly Buffer[]): Promise<readonly Asker[]> {
  return Promise.all(
    requests.map(async (request) => {
      const connections = await Connections.open(url, [request]);
      return { ask: () => connections.first(), close: () => connections[Symbol.dispose]() };
    }),
  );
}

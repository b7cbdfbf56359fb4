import { setImmediate as turn } from 'node:timers/promises';
import { median, rotated } from './statistics.ts';

/** Something short, called over and over. What it returns is used, so that it is not optimised away. */
export interface Calls {
  readonly name: string;
  /** Makes `times` calls; how many of them came out as yes. */
  run(times: number): number;
}

export interface Measured {
  readonly name: string;
  readonly nanos: number;
  /** The median of the ratios to the first candidate in the same round. */
  readonly ratio: number;
}

/** The loop is the same for all, and so is what it costs. */
export function each<T>(name: string, items: readonly T[], ask: (item: T) => boolean): Calls {
  return {
    name,
    run(times) {
      let yes = 0;
      for (let n = 0, at = 0; n < times; n += 1) {
        // oxlint-disable-next-line typescript/no-non-null-assertion -- at stays below the length.
        if (ask(items[at]!)) yes += 1;
        at = at + 1 === items.length ? 0 : at + 1;
      }
      return yes;
    },
  };
}

/**
 * What the candidates answer to each of `count` things they go through.
 * @throws when they disagree
 */
export function sameAnswers(candidates: readonly Calls[], count: number): readonly boolean[] {
  const [first = [], ...others] = candidates.map((candidate) => {
    const counts = Array.from({ length: count + 1 }, (_, times) => candidate.run(times));
    return counts.slice(1).map((yes, at) => yes > (counts[at] ?? 0));
  });
  for (const [n, answers] of others.entries()) {
    const at = answers.findIndex((answer, at) => answer !== first[at]);
    if (at < 0) continue;
    const names = `"${candidates[0]?.name}" and "${candidates[n + 1]?.name}"`;
    throw new Error(`${names} disagree about question ${at + 1} of ${count}`);
  }
  return first;
}

/** Processor time of candidates in one process, taking turns. A turn is short, so that timers of what runs beside them are not held up. */
export async function timeCalls(
  candidates: readonly Calls[],
  options: { rounds: number; turnMs: number },
): Promise<readonly Measured[]> {
  const times = new Map<Calls, number>();
  for (const each of candidates) times.set(each, await timesWithin(each, options.turnMs));
  const nanos = new Map<Calls, number[]>(candidates.map((each) => [each, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const each of rotated(candidates, round)) {
      nanos.get(each)?.push(timeOnce(each, times.get(each) ?? 1));
      await turn();
    }
  }
  const [first] = candidates;
  const yardstick = first === undefined ? [] : (nanos.get(first) ?? []);
  return candidates.map((each) => {
    const values = nanos.get(each) ?? [];
    return {
      name: each.name,
      nanos: median(values),
      ratio: median(values.map((value, n) => value / (yardstick[n] ?? NaN))),
    };
  });
}

/** Warms up, and finds how many calls fill a turn. */
async function timesWithin(calls: Calls, turnMs: number): Promise<number> {
  let times = 10;
  for (;;) {
    const nanos = timeOnce(calls, times) * times;
    await turn();
    if (nanos >= (turnMs * 1e6) / 2) return Math.max(10, Math.round((times * turnMs * 1e6) / nanos));
    times *= 2;
  }
}

let sink = 0;

function timeOnce(calls: Calls, times: number): number {
  const start = process.threadCpuUsage();
  sink += calls.run(times);
  const { user, system } = process.threadCpuUsage(start);
  if (sink < 0) throw new Error('a count cannot be negative');
  return ((user + system) * 1_000) / times;
}

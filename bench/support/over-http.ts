import { type Child, cpuMicrosOf } from './child.ts';
import { Connections } from './load.ts';
import { median, quantile, rotated } from './statistics.ts';

/** A server under load: one connection for each of `requests`, which it sends over and over. */
export interface Contender {
  readonly name: string;
  readonly child: Child;
  readonly requests: readonly Buffer[];
  /** Throws when this is not what was asked for. */
  readonly check: (body: string) => void;
}

export interface Round {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

/** Medians over all rounds. */
export interface Result extends Round {
  readonly name: string;
  /** The medians of the ratios to another contender in the same round. */
  ratio(of: (round: Round) => number, yardstick: Result): number;
  readonly rounds: readonly Round[];
}

/** Puts the contenders under load in turns, after each has warmed up. */
export async function compareOverHttp(
  contenders: readonly Contender[],
  options: { readonly rounds: number; readonly seconds: number; readonly warmUpSeconds: number },
): Promise<readonly Result[]> {
  const all = contenders.map((contender) => ({ contender, rounds: [] as Round[] }));
  for (const { contender } of all) await measure(contender, options.warmUpSeconds);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { contender, rounds } of rotated(all, round)) rounds.push(await measure(contender, options.seconds));
  }
  return all.map(({ contender, rounds }) => resultOf(contender.name, rounds));
}

/** One round of this one. */
export async function measure({ child, requests, check }: Contender, seconds: number): Promise<Round> {
  // New ones each time: servers close what was idle while others had their turn.
  using connections = await Connections.open(child.url, requests);
  check(await connections.first());
  const cpuBefore = cpuMicrosOf(child.pid);
  const load = await connections.run({ seconds });
  return {
    perSecond: load.requests / load.seconds,
    cpuMicros: (cpuMicrosOf(child.pid) - cpuBefore) / load.requests,
    p50: quantile(load.latencies, 0.5),
    p99: quantile(load.latencies, 0.99),
  };
}

function resultOf(name: string, rounds: readonly Round[]): Result {
  return {
    name,
    rounds,
    ...mediansOf(rounds),
    ratio: (read, yardstick) =>
      median(
        rounds.map((round, n) => {
          const other = yardstick.rounds[n];
          return read(round) / (other === undefined ? NaN : read(other));
        }),
      ),
  };
}

export function mediansOf(rounds: readonly Round[]): Round {
  const of = (read: (round: Round) => number) => median(rounds.map(read));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    cpuMicros: of(({ cpuMicros }) => cpuMicros),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
  };
}

/** @throws when there is none of this name */
export function resultNamed(results: readonly Result[], name: string): Result {
  const found = results.find((result) => result.name === name);
  if (found === undefined) throw new TypeError(`nothing was measured as ${name}`);
  return found;
}

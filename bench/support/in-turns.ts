import type { Round } from './over-http.ts';
import { median, rotated } from './statistics.ts';

/** What is asked of one process in turns: as far as the first two differ, nothing can be told. */
export const TURNS = ['with', 'again', 'without'] as const;

export type Turn = (typeof TURNS)[number];

/** What one turn of one process came to. */
export interface Taken {
  readonly turn: Turn;
  readonly process: number;
  readonly round: number;
  readonly figures: Round;
}

/** Does it in turns, in another order each time. The first round (-1) is for the compiler, and not told. */
export async function inTurns(
  process: number,
  rounds: number,
  work: (turn: Turn, round: number) => Promise<Round>,
): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (let round = -1; round < rounds; round += 1) {
    for (const turn of rotated(TURNS, round + 1)) {
      const figures = await work(turn, round);
      if (round >= 0) taken.push({ turn, process, round, figures });
    }
  }
  return taken;
}

/** Ratios to the same process `without` in the same round: the median, and of the medians of the processes the least and the most. */
export function ratiosOf(turn: Turn, taken: readonly Taken[], read: (figures: Round) => number) {
  const ratios = taken
    .filter((each) => each.turn === turn)
    .map(({ process, round, figures }) => {
      const yardstick = taken.find(
        (each) => each.turn === 'without' && each.process === process && each.round === round,
      );
      return { process, ratio: read(figures) / (yardstick === undefined ? NaN : read(yardstick.figures)) };
    });
  const medians = [...Map.groupBy(ratios, ({ process }) => process).values()].map(medianOf);
  return { median: medianOf(ratios), least: Math.min(...medians), most: Math.max(...medians) };
}

function medianOf(ratios: readonly { readonly ratio: number }[]): number {
  return median(ratios.map(({ ratio }) => ratio));
}

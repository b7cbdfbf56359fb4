import type { Place } from './problems.ts';
import type { Word } from './shape.ts';

interface Heir {
  readonly name: string;
  readonly parents: readonly Word[];
}

export interface Cycle {
  /** Where the role that closes the circle is named. */
  readonly place: Place;
  readonly path: readonly string[];
}

/** Every circle of inheritance, each once. Walks without recursion, so that a long chain cannot overflow the stack. */
export function inheritanceCycles(heirs: ReadonlyMap<string, Heir>): readonly Cycle[] {
  const cycles: Cycle[] = [];
  const finished = new Set<string>();
  for (const start of heirs.keys()) {
    const walk = [{ name: start, next: 0 }];
    const onPath = new Set([start]);
    for (let step = walk.at(-1); step !== undefined && !finished.has(start); step = walk.at(-1)) {
      const parent = heirs.get(step.name)?.parents[step.next];
      step.next += 1;
      if (parent === undefined) {
        finished.add(step.name);
        onPath.delete(step.name);
        walk.pop();
      } else if (onPath.has(parent.text)) {
        const path = walk.map(({ name }) => name);
        cycles.push({ place: parent.place, path: [...path.slice(path.indexOf(parent.text)), parent.text] });
      } else if (!finished.has(parent.text)) {
        onPath.add(parent.text);
        walk.push({ name: parent.text, next: 0 });
      }
    }
  }
  return cycles;
}

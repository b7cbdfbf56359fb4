import { styleText } from 'node:util';

const WIDTH = 78;
const INDENT = '    ';

export type Say = (text: string) => void;

/** One step of the story, as it went. */
export interface Told {
  readonly title: string;
  readonly tookMs: number;
  readonly asTold: boolean;
  readonly said: readonly string[];
}

/** Tells a story step by step: what happens, and how long it took. */
export class Narrator {
  readonly told: Told[] = [];
  readonly #write: (line: string) => void;
  readonly #goOn: () => void;

  /** @param parts.goOn throws when there is to be no further step */
  constructor({ write, goOn }: { write: (line: string) => void; goOn: () => void }) {
    this.#write = write;
    this.#goOn = goOn;
  }

  /** Tells one step. What `work` throws ends the story, and is kept as a step that did not go as told. */
  async step<T>(title: string, work: (say: Say) => Promise<T>): Promise<T> {
    this.#goOn();
    this.#write(strong(`${String(this.told.length + 1).padStart(2)}. ${title}`));
    const said: string[] = [];
    const startedAtMs = performance.now();
    const end = (asTold: boolean) => {
      const tookMs = performance.now() - startedAtMs;
      this.told.push({ title, tookMs, asTold, said });
      this.#write(`${INDENT}(${duration(tookMs)})\n`);
    };
    try {
      const result = await work((text) => {
        said.push(text);
        for (const line of wrap(text, WIDTH - INDENT.length)) this.#write(INDENT + line);
      });
      end(true);
      return result;
    } catch (error) {
      end(false);
      throw error;
    }
  }

  say(text: string): void {
    for (const line of wrap(text, WIDTH)) this.#write(line);
  }

  summary(): void {
    this.#write(strong('What happened'));
    for (const [index, { title, tookMs, asTold }] of this.told.entries()) {
      const step = `${String(index + 1).padStart(2)}. ${title}`;
      this.#write(`${step.padEnd(54)} ${duration(tookMs).padStart(10)}  ${asTold ? 'as told' : 'NOT AS TOLD'}`);
    }
  }
}

/** The claim holds, or the demonstration has failed. */
export function check(holds: boolean, claim: string): asserts holds {
  if (!holds) throw new Error(`Not as told: ${claim}`);
}

export function duration(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** Bold on a terminal that shows it, unless NO_COLOR is set. */
function strong(text: string): string {
  return styleText('bold', text, { stream: process.stdout });
}

/** Lines of at most this width; the later ones of a text with a margin of two. A longer word has a line of its own. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

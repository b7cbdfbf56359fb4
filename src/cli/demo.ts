import { duration, Narrator } from './demo-narrator.ts';
import { tellStory } from './demo-story.ts';
import { type OutputOptions, print } from './report.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const EXIT_INTERRUPTED = 130;

class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** `castellan demo`: the main job on throw-away data, every claim checked. The answer is the exit code. */
export async function demo({ json }: OutputOptions): Promise<number> {
  const startedAtMs = performance.now();
  let interruption: Interrupted | null = null;
  const interrupt = (signal: NodeJS.Signals) => {
    interruption ??= new Interrupted(`Stopped by ${signal}. Everything was stopped and removed.`);
  };
  const goOn = () => {
    if (interruption !== null) throw interruption;
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);

  const undo: (() => Promise<void>)[] = [];
  const narrator = new Narrator({ write: json ? () => {} : print, goOn });
  narrator.say('Castellan, on data of its own that is thrown away at the end.\n');
  const failure = await tellStory(narrator, (step) => {
    undo.push(step);
    goOn();
  }).then(
    () => null,
    (error: unknown) => error,
  );
  for (const step of undo.toReversed()) await step().catch(() => {});

  for (const signal of SIGNALS) process.off(signal, interrupt);
  return tellEnd(narrator, failure, performance.now() - startedAtMs, json);
}

function tellEnd(narrator: Narrator, failure: unknown, tookMs: number, json: boolean): number {
  const ok = failure === null;
  const message = failure instanceof Error ? failure.message : null;
  if (json) print(JSON.stringify({ ok, tookMs, steps: narrator.told, ...(message !== null && { message }) }));
  if (failure instanceof Interrupted) {
    narrator.say(failure.message);
    return EXIT_INTERRUPTED;
  }
  narrator.summary();
  narrator.say(ok ? `\nAll of it as told, in ${duration(tookMs)}. Everything was removed.` : `\n${message}`);
  return ok ? 0 : 1;
}

if (import.meta.main) process.exitCode = await demo({ json: process.argv.includes('--json') });

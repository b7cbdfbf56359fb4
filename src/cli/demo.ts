import { duration, Narrator } from './demo-narrator.ts';
import { tellStory } from './demo-story.ts';
import { type OutputOptions, print } from './report.ts';

const INTERRUPTED = 130;

/** `castellan demo`: the main job on throw-away data, every claim checked. The answer is the exit code. */
export async function demo({ json }: OutputOptions): Promise<number> {
  const startedAtMs = performance.now();
  const interruption = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals) => interruption.reject(new Interrupted(signal));
  for (const signal of SIGNALS) process.on(signal, interrupt);

  const undo: (() => Promise<void>)[] = [];
  const narrator = new Narrator(json ? () => {} : print);
  narrator.say('Castellan, on data of its own that is thrown away at the end.\n');
  const story = tellStory(narrator, (step) => undo.push(step));
  const failure = await Promise.race([story, interruption.promise]).then(
    () => null,
    (error: unknown) => error,
  );
  await end(story, undo);

  for (const signal of SIGNALS) process.off(signal, interrupt);
  const tookMs = performance.now() - startedAtMs;
  return tellEnd(narrator, failure, tookMs, json);
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(signal: string) {
    super(`Stopped by ${signal}; everything was stopped and removed.`);
  }
}

/** An interrupted story may still be opening something: what it opens is closed as well. */
async function end(story: Promise<void>, undo: (() => Promise<void>)[]): Promise<void> {
  let over = false;
  const watched = story.then(
    () => (over = true),
    () => (over = true),
  );
  for (;;) {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step().catch(() => {});
    if (over) return;
    await watched;
  }
}

function tellEnd(narrator: Narrator, failure: unknown, tookMs: number, json: boolean): number {
  const ok = failure === null;
  const message = failure instanceof Error ? failure.message : null;
  if (json) print(JSON.stringify({ ok, tookMs, steps: narrator.told, ...(message !== null && { message }) }));
  if (failure instanceof Interrupted) {
    if (!json) print(failure.message);
    return INTERRUPTED;
  }
  if (!json) {
    narrator.summary();
    narrator.say(ok ? `\nAll of it as told, in ${duration(tookMs)}. Everything was removed.` : `\n${message}`);
  }
  return ok ? 0 : 1;
}

if (import.meta.main) process.exitCode = await demo({ json: process.argv.includes('--json') });

import { resolve } from 'node:path';
import { type PolicyFile, parseBundle } from '../domain/policy/parse.ts';
import { ParseCache } from '../domain/policy/parse-cache.ts';
import { PolicyError } from '../domain/policy/problems.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { watchFolder } from '../drivers/files/watch-folder.ts';
import { type Clock, systemClock } from '../kit/clock.ts';
import { demandUtf8, filesOf, told } from './policy-folder.ts';
import { count, short } from './policy-text.ts';
import { type OutputOptions, print } from './report.ts';

/**
 * `castellan policy check --watch`: checks whenever a file has changed, until a signal comes. The answer is the exit code.
 */
export async function watchPolicy(folder: string, output: OutputOptions, clock: Clock = systemClock): Promise<number> {
  const ended = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.resolve(0));

  const first = await filesOf(folder);
  const watched = new Watched(folder, output, ended.reject);
  const stop = watchFolder(folder, { clock, changed: () => watched.check(), failed: ended.reject });
  // A watcher whose folder has gone would let the process end before anybody hears of it.
  const alive = setInterval(() => {}, 60_000);
  if (!output.json) print(`Watching ${resolve(folder)}. Ctrl-C ends it.`);
  watched.checkFiles(first);
  try {
    return await ended.promise;
  } finally {
    clearInterval(alive);
    stop();
  }
}

class Watched {
  readonly #folder: string;
  readonly #output: OutputOptions;
  readonly #failed: (error: unknown) => void;
  readonly #cache = new ParseCache();
  #checked = '';
  #last: Promise<void> = Promise.resolve();

  constructor(folder: string, output: OutputOptions, failed: (error: unknown) => void) {
    this.#folder = folder;
    this.#output = output;
    this.#failed = failed;
  }

  /** One after the other, so that the last line is about the last change. */
  check(): void {
    this.#last = this.#last.then(() => this.#read()).catch(this.#failed);
  }

  async #read(): Promise<void> {
    let files: readonly PolicyFile[];
    try {
      files = await readPolicyFiles(this.#folder);
    } catch (error) {
      // A file that was there when the folder was listed has gone; its going is a change of its own.
      if (isGone(error)) return;
      throw error;
    }
    this.checkFiles(files);
  }

  checkFiles(files: readonly PolicyFile[]): void {
    // Editors write files of their own beside, and some events tell of nothing new.
    const text = JSON.stringify(files);
    if (text === this.#checked) return;
    this.#checked = text;

    const counted = count(files.length, 'file');
    try {
      const { version, warnings } = parseBundle(demandUtf8(files), this.#cache);
      const facts = { ok: true, files: files.length, policyVersion: version, warnings, problems: [] };
      this.#print([...told(warnings, 'warning: '), `${counted}: ok, version ${short(version)}`], facts);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      const { problems } = error;
      const facts = { ok: false, files: files.length, problems };
      this.#print([...told(problems), `${counted}: ${count(problems.length, 'problem')}`], facts);
    }
  }

  #print(lines: readonly string[], facts: object): void {
    print(this.#output.json ? JSON.stringify(facts) : lines.join('\n'));
  }
}

const isGone = (error: unknown): boolean => error instanceof Error && error.cause === 'ENOENT';

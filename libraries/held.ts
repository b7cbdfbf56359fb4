import { spawnSync } from 'node:child_process';
import { nameOf, readLockfile, resolved, shipped } from './lockfile.ts';
import { type AuditAnswer, type Finding, heldToFrames, type Times } from './time-frames.ts';

/**
 * `npm run libraries`: asks the registry what it knows of the libraries that Castellan runs with, and says which of them should have been
 * changed by now. It ends with 1 where one should, and with 2 where the registry did not answer: then nobody knows.
 */

const BREACHED = 1;
const NOT_ANSWERED = 2;
const ANSWER_MS = 60_000;

class NotAnswered extends Error {
  override readonly name = 'NotAnswered';
}

/** What npm prints as JSON, whatever it ends with: a vulnerability is an answer. */
function ask(...args: readonly string[]): Readonly<Record<string, unknown>> {
  const { stdout, error } = spawnSync('npm', [...args, '--json'], { encoding: 'utf8', timeout: ANSWER_MS });
  if (error !== undefined) throw new NotAnswered(`npm ${args.join(' ')}: ${error.message}`);
  let answer: unknown;
  try {
    answer = JSON.parse(stdout === '' ? '{}' : stdout);
  } catch {
    throw new NotAnswered(`npm ${args.join(' ')}: no JSON`);
  }
  const { error: refused, message } = Object(answer) as { readonly error?: { summary?: string }; message?: string };
  if (refused !== undefined)
    throw new NotAnswered(`npm ${args.join(' ')}: ${message ?? refused.summary ?? 'no answer'}`);
  return Object(answer) as Record<string, unknown>;
}

function timesOf(library: string, version: string): { readonly times: Times; readonly deprecated: string | null } {
  const { time, deprecated } = ask('view', `${library}@${version}`, 'version', 'time', 'deprecated');
  if (time === undefined) throw new NotAnswered(`npm view ${library}: no times`);
  return { times: time as Times, deprecated: typeof deprecated === 'string' ? deprecated : null };
}

function lineOf({ library, version, kind, why, until, breached }: Finding): string {
  return `${breached ? 'BREACHED' : 'due     '}  ${until}  ${kind.padEnd(10)}  ${library} ${version}: ${why}`;
}

function held(): number {
  const lockfile = readLockfile();
  const paths = shipped(lockfile);
  const versions = new Map(paths.map((path) => [path, lockfile.packages[path]?.version ?? '']));
  const direct = Object.keys(lockfile.packages['']?.dependencies ?? {}).flatMap(
    (name) => resolved(lockfile, '', name) ?? [],
  );
  const times = new Map<string, Times>();
  const deprecated = new Map<string, string>();
  const unanswered: string[] = [];
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof NotAnswered)) throw error;
      unanswered.push(error.message);
      return null;
    }
  };

  const answer = attempt(() => ask('audit', '--omit=dev'));
  const audit = (answer?.['vulnerabilities'] === undefined
    ? { vulnerabilities: {} }
    : answer) as unknown as AuditAnswer;
  if (answer !== null && answer['vulnerabilities'] === undefined)
    unanswered.push('npm audit: no vulnerabilities named');
  const named = Object.values(audit.vulnerabilities).flatMap(({ nodes }) => nodes);
  for (const path of new Set([...direct, ...named])) {
    const version = versions.get(path);
    if (version === undefined) continue;
    const view = attempt(() => timesOf(nameOf(path), version));
    if (view === null) continue;
    times.set(nameOf(path), view.times);
    if (view.deprecated !== null && direct.includes(path)) deprecated.set(nameOf(path), view.deprecated);
  }

  const findings = heldToFrames({ audit, versions, direct, times, deprecated }, Date.now());
  const breached = findings.filter((each) => each.breached).length;
  for (const line of [...findings.map(lineOf), ...unanswered.map((each) => `not answered: ${each}`)]) say(line);
  say(`${versions.size} libraries, ${direct.length} of them asked for by name: ${breached} are past their time frame.`);
  if (breached > 0) return BREACHED;
  return unanswered.length > 0 ? NOT_ANSWERED : 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) process.exitCode = held();

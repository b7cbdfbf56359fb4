import { compared, isRelease, isWithin, majorOf } from './versions.ts';

const DAY_MS = 86_400_000;

/** Within how many days a library is replaced, taken out or brought up to date. docs/inventory.md says the same. */
export const FRAMES = { critical: 2, high: 7, vulnerable: 30, abandoned: 183, behind: 92 } as const;
/** Without a release of its major version for so long, a library has nobody who looks after it. */
export const ABANDONED_DAYS = 730;

export type Kind = keyof typeof FRAMES;

/** What `npm audit --json` says, as far as it is read here. */
export interface AuditAnswer {
  readonly vulnerabilities: Readonly<
    Record<
      string,
      {
        /** What is wrong with it, or which library it has that from. */
        readonly via: readonly (string | Advisory)[];
        /** The folders that it is in. */
        readonly nodes: readonly string[];
      }
    >
  >;
}

interface Advisory {
  readonly title: string;
  readonly url: string;
  readonly severity: string;
  readonly range: string;
}

/** What `npm view <library> time --json` says: when each version was published. */
export type Times = Readonly<Record<string, string>>;

export interface Answers {
  readonly audit: AuditAnswer;
  /** Of the folder that a library is in, what is in it. */
  readonly versions: ReadonlyMap<string, string>;
  /** The folders of what Castellan itself asks for. */
  readonly direct: readonly string[];
  readonly times: ReadonlyMap<string, Times>;
  /** Why, of libraries whose installed version is not to be used any more. */
  readonly deprecated: ReadonlyMap<string, string>;
}

/** A library that is to be changed, and until when. */
export interface Finding {
  readonly library: string;
  readonly version: string;
  readonly kind: Kind;
  readonly why: string;
  readonly until: string;
  readonly breached: boolean;
}

/** Everything that has a time frame, what is due first. The others are as they should be. */
export function heldToFrames(answers: Answers, nowMs: number): readonly Finding[] {
  const found = (library: string, version: string, kind: Kind, why: string, sinceMs: number): Finding => {
    const untilMs = sinceMs + FRAMES[kind] * DAY_MS;
    const until = new Date(untilMs).toISOString().slice(0, 10);
    return { library, version, kind, why, until, breached: nowMs > untilMs };
  };
  return [...vulnerable(answers, found, nowMs), ...old(answers, found, nowMs)].toSorted((a, b) =>
    a.until < b.until ? -1 : 1,
  );
}

type Found = (library: string, version: string, kind: Kind, why: string, sinceMs: number) => Finding;

/** The time runs from when there was a version without it. Where there is none, it is over: what uses it is turned off. */
function vulnerable({ audit, versions, times }: Answers, found: Found, nowMs: number): readonly Finding[] {
  return Object.entries(audit.vulnerabilities).flatMap(([library, { via, nodes }]) => {
    const installed = new Set(nodes.flatMap((path) => versions.get(path) ?? []));
    const advisories = via.filter((each) => typeof each !== 'string');
    return [...installed].flatMap((version) =>
      advisories
        .filter(({ range }) => isWithin(version, range))
        .map(({ title, url, severity, range }) => {
          const kind = severity === 'critical' || severity === 'high' ? severity : 'vulnerable';
          const better = newer(version, times.get(library)).filter(([each]) => !isWithin(each, range));
          const [first] = better.map(([, atMs]) => atMs).toSorted((a, b) => a - b);
          const fixed =
            better.length === 0 ? 'no version is without it: turn off what uses it' : 'a version is without it';
          return found(
            library,
            version,
            kind,
            `${title} (${url}); ${fixed}`,
            first ?? nowMs - 1 - FRAMES[kind] * DAY_MS,
          );
        }),
    );
  });
}

/** What Castellan asks for itself: what that needs is for those to keep up to date. */
function old({ direct, versions, times, deprecated }: Answers, found: Found, nowMs: number): readonly Finding[] {
  return direct.flatMap((path) => {
    const library = path.slice('node_modules/'.length);
    const version = versions.get(path);
    if (version === undefined) return [];
    const ofMajor = releases(times.get(library)).filter(([each]) => majorOf(each) === majorOf(version));
    const lastMs = ofMajor.reduce((last, [, atMs]) => Math.max(last, atMs), 0);
    const overMs = lastMs + ABANDONED_DAYS * DAY_MS;
    const newerMs = ofMajor.filter(([each]) => compared(each, version) > 0).map(([, atMs]) => atMs);
    const why = deprecated.get(library);
    if (why !== undefined) return [found(library, version, 'abandoned', `it is deprecated: ${why}`, lastMs)];
    if (lastMs > 0 && overMs < nowMs) return [found(library, version, 'abandoned', 'no release for two years', overMs)];
    if (newerMs.length === 0) return [];
    return [found(library, version, 'behind', 'there is a newer one', Math.min(...newerMs))];
  });
}

function releases(times: Times = {}): readonly (readonly [string, number])[] {
  return Object.entries(times).flatMap(([version, at]) =>
    isRelease(version) ? [[version, Date.parse(at)] as const] : [],
  );
}

function newer(version: string, times: Times | undefined): readonly (readonly [string, number])[] {
  return releases(times).filter(([each]) => compared(each, version) > 0);
}

/** From how many within how many seconds on it is told; null is never. */
export interface Threshold {
  readonly count: number;
  readonly seconds: number;
}

interface Detector {
  readonly severity: 'warning' | 'critical';
  readonly threshold: Threshold;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * What is nothing by itself and something when it adds up, over all instances: what is counted of whom, how often it is told.
 * Each is counted by what it names, and by what tells two of it apart.
 */
export const DETECTORS = {
  /** Wrong passwords and codes for one account. Whoever waits as they must is let nine in a quarter of an hour. */
  'sign_in.failures': { severity: 'warning', threshold: { count: 10, seconds: HOUR } },
  /** Passwords and codes for one account that came too early or too often to be looked at. */
  'sign_in.blocked': { severity: 'warning', threshold: { count: 10, seconds: 15 * MINUTE } },
  /** One account that takes no password, or no code of its app, any more. */
  'account.locked': { severity: 'critical', threshold: { count: 1, seconds: 24 * HOUR } },
  /** Accounts that one network failed to sign in to: credential stuffing. */
  'sign_in.stuffing': { severity: 'critical', threshold: { count: 20, seconds: 10 * MINUTE } },
  /** Accounts that one wrong password was tried on, wherever from: password spraying. */
  'sign_in.spraying': { severity: 'critical', threshold: { count: 10, seconds: HOUR } },
  /** Credentials from one network that never were any. */
  'credential.guessed': { severity: 'warning', threshold: { count: 50, seconds: 10 * MINUTE } },
  /** Credentials from one network that were revoked. */
  'credential.replayed': { severity: 'warning', threshold: { count: 20, seconds: 10 * MINUTE } },
  /** Rights, roles and keys that somebody tried to give and may not. */
  'grant.denied': { severity: 'critical', threshold: { count: 5, seconds: 15 * MINUTE } },
  /** What somebody asked to read and may not, or is not there. */
  'read.denied': { severity: 'warning', threshold: { count: 50, seconds: 5 * MINUTE } },
  /** Requests with cookies, or for events, from pages of an origin that is not listed. */
  'origin.refused': { severity: 'warning', threshold: { count: 10, seconds: 10 * MINUTE } },
  /** Requests with cookies without the token that pages of ours send beside them. */
  'csrf.refused': { severity: 'warning', threshold: { count: 5, seconds: 10 * MINUTE } },
} as const satisfies Readonly<Record<string, Detector>>;

export type SignalKind = keyof typeof DETECTORS;

/** What is not counted but measured: so many kilometres within so many seconds are faster than anybody travels. */
export const TRAVEL = {
  kind: 'session.impossible_travel',
  severity: 'warning',
  threshold: { count: 1_000, seconds: HOUR },
} as const;

type ThresholdKind = SignalKind | typeof TRAVEL.kind;

export const THRESHOLD_KINDS = [...Object.keys(DETECTORS), TRAVEL.kind] as readonly ThresholdKind[];

export type Thresholds = Readonly<Record<ThresholdKind, Threshold | null>>;

export const THRESHOLDS = Object.fromEntries(
  THRESHOLD_KINDS.map((kind) => [kind, kind === TRAVEL.kind ? TRAVEL.threshold : DETECTORS[kind].threshold]),
) as unknown as Thresholds; // every kind has one

const SECONDS_IN = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const THRESHOLD = /^([1-9]\d{0,3})\/([1-9]\d{0,4})([smhd])$/;
const COUNT_MAX = 999;
const SECONDS_MAX = 86_400;
/** Kilometres an hour: whoever drives is no news. */
const SPEED_MIN = 100;

/**
 * The thresholds with some of them changed.
 * @param text such as `sign_in.stuffing=50/10m,read.denied=off`. A TypeError says what is wrong with it.
 */
export function changedThresholds(text: string): Thresholds {
  const changes = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [name = '', value = '', ...more] = part.split('=').map((each) => each.trim());
      const known = THRESHOLD_KINDS.find((kind) => kind === name);
      if (known === undefined) throw new TypeError(`knows ${THRESHOLD_KINDS.join(', ')}, each as in read.denied=50/5m`);
      if (value === 'off' && more.length === 0) return [known, null] as const;
      const [, count, times, unit] = THRESHOLD.exec(value) ?? [];
      const threshold = { count: Number(count), seconds: Number(times) * SECONDS_IN[unit as keyof typeof SECONDS_IN] };
      if (more.length > 0 || count === undefined || !isAllowed(known, threshold))
        throw new TypeError(allowedFor(known));
      return [known, threshold] as const;
    });
  return Object.freeze({ ...THRESHOLDS, ...Object.fromEntries(changes) });
}

function isAllowed(kind: ThresholdKind, { count, seconds }: Threshold): boolean {
  if (seconds > SECONDS_MAX) return false;
  return kind === TRAVEL.kind ? count / seconds >= SPEED_MIN / HOUR : count <= COUNT_MAX;
}

function allowedFor(kind: ThresholdKind): string {
  if (kind === TRAVEL.kind) return `must give ${kind} off, or ${SPEED_MIN} to 9999 kilometres an hour, such as 1000/1h`;
  return `must give ${kind} off, or up to ${COUNT_MAX} within a day at most, such as 50/5m`;
}

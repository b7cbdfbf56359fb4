import type { SigningKey } from './signing-key.ts';

/** Clocks may differ by this much between who signs and who verifies. */
const CLOCK_SLACK_SECONDS = 60;

/** A key that is neither revoked nor forgotten, and how long what it signed is accepted. */
export interface LivingKey {
  readonly key: SigningKey;
  readonly signsFromMs: number;
  /** Infinity for the one that signs last. */
  readonly verifiesUntilMs: number;
}

/** What became of the keys: each signs until the next one does, and verifies until the last token it signed has ended. */
export function lives(keys: readonly SigningKey[], accessTokenSeconds: number): readonly LivingKey[] {
  const living = keys
    .filter(({ revokedAt }) => revokedAt === null)
    .map((key) => ({ key, signsFromMs: Date.parse(key.signsFrom) }))
    .toSorted((a, b) => a.signsFromMs - b.signsFromMs);
  return living.map((each, at) => {
    const next = living[at + 1];
    const lifeMs = (accessTokenSeconds + CLOCK_SLACK_SECONDS) * 1_000;
    return { ...each, verifiesUntilMs: next === undefined ? Infinity : next.signsFromMs + lifeMs };
  });
}

/**
 * The one that signs at that time: the newest whose time has come, or while there is none, since the clock of who made it is
 * ahead, the first whose time will come. It is published, so everybody takes what it signs.
 */
export function signingAt<K extends Pick<LivingKey, 'signsFromMs'>>(
  living: readonly K[],
  nowMs: number,
): K | undefined {
  const ordered = living.toSorted((a, b) => a.signsFromMs - b.signsFromMs);
  return ordered.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? ordered[0];
}

import type { SigningKey } from './signing-key.ts';

/** Clocks may differ by this much between who signs and who verifies. */
const CLOCK_SLACK_SECONDS = 60;

/** A key that is neither revoked nor forgotten, and how long it signs and what it signed is accepted. */
export interface LivingKey {
  readonly key: SigningKey;
  readonly signsFromMs: number;
  /** Infinity for the one that signs last, as below. */
  readonly signsUntilMs: number;
  readonly verifiesUntilMs: number;
}

/**
 * What became of the keys: each signs until the next one does, and verifies until the last token it signed has ended. One that was
 * revoked while it signed has ended the one before it all the same: what was retired stays so, whoever has got hold of it since.
 */
export function lives(keys: readonly SigningKey[], accessTokenSeconds: number): readonly LivingKey[] {
  const ordered = keys
    .filter(({ revokedAt, signsFrom }) => revokedAt === null || revokedAt >= signsFrom)
    .map((key) => ({ key, signsFromMs: Date.parse(key.signsFrom) }))
    .toSorted((a, b) => a.signsFromMs - b.signsFromMs);
  const lifeMs = (accessTokenSeconds + CLOCK_SLACK_SECONDS) * 1_000;
  return ordered
    .map((each, at) => {
      const signsUntilMs = ordered[at + 1]?.signsFromMs ?? Infinity;
      return { ...each, signsUntilMs, verifiesUntilMs: signsUntilMs + lifeMs };
    })
    .filter(({ key }) => key.revokedAt === null);
}

/**
 * The one that signs at that time: the newest whose time has come and is not over, or while there is none, since the clock of who
 * made it is ahead, the first whose time will come. It is published, so everybody takes what it signs.
 */
export function signingAt<K extends Pick<LivingKey, 'signsFromMs' | 'signsUntilMs'>>(
  living: readonly K[],
  nowMs: number,
): K | undefined {
  const ordered = living.toSorted((a, b) => a.signsFromMs - b.signsFromMs);
  return (
    ordered.findLast(({ signsFromMs, signsUntilMs }) => signsFromMs <= nowMs && nowMs < signsUntilMs) ??
    ordered.find(({ signsFromMs }) => signsFromMs > nowMs)
  );
}

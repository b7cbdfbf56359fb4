import type { Instant } from '../../kit/clock.ts';
import type { SignalKind } from '../../kit/thresholds.ts';
import type { Sighting } from './travel.ts';

/** One window of something that is counted, with members that may be known already. */
export interface CountedSignal {
  readonly kind: SignalKind;
  readonly subject: string;
  /** Where the window begins. */
  readonly start: Instant;
  readonly members: readonly string[];
}

export interface SignalWriter {
  /**
   * Adds these members to their windows, and counts what all instances have added to each; in the order of `signals`. One transaction at
   * a time does: of two that come at once, the later one sees what the other added. Windows from a day ago are forgotten.
   */
  add(signals: readonly CountedSignal[]): Promise<readonly number[]>;
  /**
   * Notes networks that keys were used from; those that are new to a key which had been used from another one before. Those that
   * such a key was last used from more than 400 days before are forgotten.
   */
  noteNetworks(
    seen: readonly { readonly keyId: string; readonly network: string; readonly at: Instant }[],
  ): Promise<readonly { readonly keyId: string; readonly network: string }[]>;
  /** Where these users were last, of whom that is known. One transaction at a time asks, until it ends. */
  lastSightings(userIds: readonly string[]): Promise<readonly Sighting[]>;
  /** Notes where users were last, each at most once. */
  noteSightings(latest: readonly Sighting[]): Promise<void>;
}

import { toInstant, type Clock, type Instant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import { type Thresholds, TRAVEL } from '../../kit/thresholds.ts';
import { travelSeconds } from '../security/travel.ts';
import type { Store } from '../store.ts';

/** What has ended and need not be kept, as a store finds it: by an index, a batch at a time. */
export interface CleaningWriter {
  /**
   * Whether this is the only transaction that cleans; it stays so until it ends. Never waits: where another one does, there
   * is nothing to do here.
   */
  begin(): Promise<boolean>;
  /** Removes sessions that ended before then, with what is known of them; how many. */
  sessions(before: Instant, limit: number): Promise<number>;
  /** Removes what is known of where API keys were used from that were revoked or expired before then; how many networks. */
  keyNetworks(before: Instant, limit: number): Promise<number>;
  /** Removes those keys, with all else that is known of them, once no network of theirs is left; how many. */
  apiKeys(before: Instant, limit: number): Promise<number>;
  /** Removes what sign-ups, mails and guesses at passwords have left: tokens that expired before `now`, and counts nobody added to since `before`, unless they have reached their end; how many. */
  accounts(now: Instant, before: Instant, limit: number): Promise<number>;
  /** Removes entries of the authority log from before then; how many. */
  log(before: Instant, limit: number): Promise<number>;
  /** Removes numbered events of the outbox from before then, and notes the highest number among them; how many. */
  outbox(before: Instant, limit: number): Promise<number>;
  /**
   * Removes what is remembered of sign-ins from before `before`, of those that were nobody's from before `nobodys`, and what was
   * counted of users before `counted`; how many of what there is most of.
   */
  signIns(before: Instant, nobodys: Instant, counted: Instant, limit: number): Promise<number>;
  /** Removes security events from before then; how many. */
  securityEvents(before: Instant, limit: number): Promise<number>;
  /** Removes where users were before then; how many. */
  sightings(before: Instant, limit: number): Promise<number>;
  /** Removes sign-ins that waited for their second factor and expired before then; how many. */
  challenges(before: Instant, limit: number): Promise<number>;
  /** Removes signing keys whose successor signed before then, but never one that was revoked; how many. */
  signingKeys(before: Instant, limit: number): Promise<number>;
  /** For how long the oldest of what is to be removed should have been gone; 0 when there is none. */
  overdueSeconds(before: Readonly<Record<'sessions' | 'log' | 'challenges', Instant>>): Promise<number>;
}

export interface CleaningSettings {
  /** How long a session, or an API key, is shown after its end. */
  readonly endedSessionSeconds: number;
  /** How long the authority log and the outbox are kept, for those who resume a feed. */
  readonly feedSeconds: number;
  /** After a key has signed its last token, that token is good for so long. */
  readonly accessTokenSeconds: number;
  /** That of travel says for how long it matters where a user was. */
  readonly securityThresholds: Thresholds;
}

const EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** For how long what no setting says is kept. docs/inventory.md says the same. */
export const KEPT_MS = {
  /** After its end one is of no use to anybody; clocks may differ. */
  challenges: HOUR_MS,
  /** A signing key is shown for so long after the last of its tokens has ended. */
  signingKeys: 30 * DAY_MS,
  /** Nobody waits longer between two guesses that are to count as one row of them. */
  guesses: 30 * DAY_MS,
  /** What each user did is shown for so long, and counted for longer. */
  signIns: 90 * DAY_MS,
  nobodys: HOUR_MS,
  activity: 400 * DAY_MS,
  securityEvents: 400 * DAY_MS,
} as const;
const BATCH = 500;
/** Batches of one round: the rest waits for the next, so that cleaning is never what the database does. */
const BATCHES_MAX = 40;

/** Removes what has ended, in small transactions, on whichever instance comes first. Live sessions are never touched. */
export class Cleaner {
  readonly #store: Store;
  readonly #settings: CleaningSettings;
  readonly #clock: Clock;
  readonly rounds: Rounds;
  /** What this instance has removed since it started. */
  readonly removed = {
    sessions: 0,
    keyNetworks: 0,
    apiKeys: 0,
    accounts: 0,
    logEntries: 0,
    events: 0,
    challenges: 0,
    signingKeys: 0,
    signIns: 0,
    securityEvents: 0,
    sightings: 0,
  };
  /** Whether the last round left something for the next one. */
  behind = false;
  /** For how long the oldest of what the last round left, wherever it ran, should have been gone. */
  overdueSeconds = 0;

  constructor(parts: { store: Store; settings: CleaningSettings; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
    const failed = 'what has ended was not removed';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.clean(), failed, ...parts });
  }

  /** One round. */
  async clean(): Promise<void> {
    const now = this.#clock.now();
    const before = {
      sessions: toInstant(now - this.#settings.endedSessionSeconds * 1_000),
      log: toInstant(now - this.#settings.feedSeconds * 1_000),
      challenges: toInstant(now - KEPT_MS.challenges),
      signingKeys: toInstant(now - KEPT_MS.signingKeys - this.#settings.accessTokenSeconds * 1_000),
      guesses: toInstant(now - KEPT_MS.guesses),
      signIns: toInstant(now - KEPT_MS.signIns),
      nobodys: toInstant(now - KEPT_MS.nobodys),
      activity: toInstant(now - KEPT_MS.activity),
      securityEvents: toInstant(now - KEPT_MS.securityEvents),
      sightings: toInstant(now - travelSeconds(this.#settings.securityThresholds[TRAVEL.kind]) * 1_000),
    };
    const sessions = await this.#round((cleaning) => cleaning.sessions(before.sessions, BATCH));
    const keyNetworks = await this.#round((cleaning) => cleaning.keyNetworks(before.sessions, BATCH));
    const apiKeys = await this.#round((cleaning) => cleaning.apiKeys(before.sessions, BATCH));
    const accounts = await this.#round((cleaning) => cleaning.accounts(toInstant(now), before.guesses, BATCH));
    const logEntries = await this.#round((cleaning) => cleaning.log(before.log, BATCH));
    const events = await this.#round((cleaning) => cleaning.outbox(before.log, BATCH));
    const challenges = await this.#round((cleaning) => cleaning.challenges(before.challenges, BATCH));
    const signingKeys = await this.#round((cleaning) => cleaning.signingKeys(before.signingKeys, BATCH));
    const signIns = await this.#round((cleaning) =>
      cleaning.signIns(before.signIns, before.nobodys, before.activity, BATCH),
    );
    const securityEvents = await this.#round((cleaning) => cleaning.securityEvents(before.securityEvents, BATCH));
    const sightings = await this.#round((cleaning) => cleaning.sightings(before.sightings, BATCH));
    this.removed.sessions += sessions.removed;
    this.removed.keyNetworks += keyNetworks.removed;
    this.removed.apiKeys += apiKeys.removed;
    this.removed.signIns += signIns.removed;
    this.removed.securityEvents += securityEvents.removed;
    this.removed.sightings += sightings.removed;
    this.removed.logEntries += logEntries.removed;
    this.removed.accounts += accounts.removed;
    this.removed.events += events.removed;
    this.removed.challenges += challenges.removed;
    this.removed.signingKeys += signingKeys.removed;
    this.behind = [
      sessions,
      keyNetworks,
      apiKeys,
      accounts,
      logEntries,
      events,
      challenges,
      signingKeys,
      signIns,
      securityEvents,
      sightings,
    ].some(({ behind }) => behind);
    const { value } = await this.#store.transaction(({ cleaning }) => cleaning.overdueSeconds(before));
    this.overdueSeconds = value;
  }

  async #round(remove: (cleaning: CleaningWriter) => Promise<number>): Promise<{ removed: number; behind: boolean }> {
    let removed = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const { value } = await this.#store.transaction(async ({ cleaning }) =>
        (await cleaning.begin()) ? remove(cleaning) : 0,
      );
      removed += value;
      if (value < BATCH) return { removed, behind: false };
    }
    return { removed, behind: true };
  }
}

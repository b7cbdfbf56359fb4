import type { OutboxEvent } from '../outbox/event.ts';
import type { Standings } from '../policy/standings.ts';
import type { SubjectRecord } from '../principals/principal.ts';
import { RAISED } from '../security/security-event.ts';
import { STARTED } from '../sessions/session-counts.ts';
import type { Store } from '../store.ts';
import type { User } from '../users/user.ts';
import { imaginedSession, SIGN_IN_FAILED } from './user-activity.ts';

/** What events are about, as it is now: who may read that is told of them. One statement for all of one type. */
export class EventSubjects {
  readonly #store: Store;
  readonly #standings: Standings;

  constructor(parts: { store: Store; standings: Standings }) {
    this.#store = parts.store;
    this.#standings = parts.standings;
  }

  /** By the number of the event; without those whose record is not there any more. */
  async of(events: readonly OutboxEvent[]): Promise<ReadonlyMap<number, SubjectRecord>> {
    const idsOf = (isOne: (event: OutboxEvent) => boolean) => [...new Set(events.filter(isOne).map(idOf))];
    const [keys, raised, users] = [idsOf(isOfKey), idsOf(isRaised), idsOf(isSignIn)];
    const { apiKeys, securityEvents } = this.#store;
    const [foundKeys, foundEvents, standings] = await Promise.all([
      keys.length === 0 ? [] : apiKeys.findMany(keys),
      raised.length === 0 ? [] : securityEvents.findMany(raised),
      users.length === 0 ? null : this.#standings.ofMany(users),
    ]);
    const records = new Map<string, SubjectRecord>();
    for (const record of [...foundKeys, ...foundEvents]) records.set(record.id, record);
    for (const { record } of standings?.values() ?? []) {
      if (record.__typename === 'User') records.set(record.id, imaginedSession(record as User)); // its type says so
    }
    return new Map(
      events.flatMap((event) => {
        const record = records.get(idOf(event));
        return record === undefined ? [] : [[event.seq, record] as const];
      }),
    );
  }
}

const isOfKey = ({ kind }: OutboxEvent) => kind.startsWith('api_key.');
const isRaised = ({ kind }: OutboxEvent) => kind === RAISED;
const isSignIn = ({ kind }: OutboxEvent) => kind === STARTED || kind === SIGN_IN_FAILED;

/** The id of the record that it is about, or of its user. */
function idOf({ kind, subjectId, userId }: OutboxEvent): string {
  return kind === STARTED ? (userId ?? '') : subjectId;
}

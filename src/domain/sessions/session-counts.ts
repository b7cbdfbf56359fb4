import type { Instant } from '../../kit/clock.ts';
import type { Count, Dimensions } from '../analytics/rollup-store.ts';
import { quarterInstant } from '../analytics/tallies.ts';
import type { OutboxEvent } from '../outbox/event.ts';
import type { Transaction } from '../store.ts';
import { lengthBucket } from './lengths.ts';
import { type LevelStep, moved } from './session-levels.ts';

/** The metric. Its counts are told apart by `what`: `started`, `refreshed`, `ended`, `length`, `protocol`. */
export const SESSIONS = 'session';

export const STARTED = 'session.started';
export const REFRESHED = 'session.refreshed';
export const REVOKED = 'session.revoked';
export const EXPIRED = 'session.expired';

/** What is counted of a session besides its events. */
export interface SessionFacts {
  readonly id: string;
  readonly createdAt: Instant;
  /** The kind of device it was started with. */
  readonly device: string;
  readonly protocols: readonly string[];
}

export interface SessionFactsReader {
  /** Of those that are still there, in any order; locks none. */
  find(ids: readonly string[]): Promise<readonly SessionFacts[]>;
}

/** Counts what happened to sessions, and how many are live, in the transaction that numbers the events. */
export async function countSessions(tx: Transaction, events: readonly OutboxEvent[]): Promise<void> {
  const told = events.filter(({ kind }) => kind.startsWith('session.'));
  if (told.length === 0) return;
  const found = await tx.sessionFacts.find([...new Set(told.map(({ subjectId }) => subjectId))]);
  const facts = new Map(found.map((each) => [each.id, each]));
  const counts = told.flatMap((event) =>
    dimensionsOf(event, facts.get(event.subjectId)).map((dimensions): Count => ({
      metric: SESSIONS,
      start: quarterOf(event),
      dimensions,
      count: 1,
    })),
  );
  await tx.rollups.count(counts);

  const steps = told.flatMap(stepOf);
  const [first] = steps.map(({ start }) => start).toSorted();
  if (first !== undefined) await tx.sessionLevels.put(moved(await tx.sessionLevels.from(first), steps));
}

const quarterOf = ({ at }: OutboxEvent): Instant => quarterInstant(Date.parse(at));

function dimensionsOf(event: OutboxEvent, facts: SessionFacts | undefined): readonly Dimensions[] {
  if (event.kind === STARTED) return [{ what: 'started', device: facts?.device ?? 'unknown' }];
  if (event.kind === REFRESHED) return [{ what: 'refreshed' }];
  const ended: Dimensions = { what: 'ended', reason: event.reason };
  if (facts === undefined) return [ended];
  const length = lengthBucket(Date.parse(event.at) - Date.parse(facts.createdAt));
  return [
    ended,
    { what: 'length', bucket: String(length) },
    ...facts.protocols.map((protocol) => ({ what: 'protocol', protocol })),
  ];
}

function stepOf(event: OutboxEvent): readonly LevelStep[] {
  if (event.kind === REFRESHED) return [];
  return [{ start: quarterOf(event), by: event.kind === STARTED ? 1 : -1 }];
}

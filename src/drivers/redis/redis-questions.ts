import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.ts';
import { DeadlineExceeded, withDeadline } from '../../kit/deadline.ts';
import { tracing } from '../../kit/tracing.ts';
import { isAnswer, isPassing } from './redis-refusals.ts';

const RETRY_MS = 20;
const REDIS = { 'db.system.name': 'redis' } as const;

/**
 * Questions to the nodes of Redis. Every one ends within the given time, with null where the node of its key has not answered. A node
 * that has failed to is not waited for any more until it answers again: while it is silent, one question at a time is sent to
 * find out, and nobody waits for that either.
 */
export class RedisQuestions {
  readonly #answerMs: number;
  readonly #nodeOf: (key: string) => string | null;
  /** When our own event loop was late, it reads what has arrived before it finds Redis too slow. */
  readonly #clock: Clock;
  /** Nodes that have not answered in time, with the number of questions that are under way to find out. */
  readonly #silent = new Map<string, number>();
  #closed = false;
  #unanswered = 0;

  constructor(parts: {
    redis: Redis | Cluster;
    nodeOf: (key: string) => string | null;
    answerMs: number;
    clock: Clock;
  }) {
    this.#answerMs = parts.answerMs;
    this.#nodeOf = parts.nodeOf;
    const { clock } = parts;
    this.#clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, fn) => clock.after(ms, () => setImmediate(fn)),
    };
    parts.redis.on('ready', () => this.#silent.clear());
  }

  /** Nodes that are asked by nobody who waits, and how many questions had no answer so far. */
  get figures(): { readonly silent: number; readonly unanswered: number } {
    return { silent: this.#silent.size, unanswered: this.#unanswered };
  }

  /** Later questions have no answer. */
  close(): void {
    this.#closed = true;
  }

  /** The answer, or null when there is none in time. */
  ask<T>(key: string, question: () => Promise<T>): Promise<T | null> {
    return tracing.asked('redis', REDIS, () => this.#ask(key, question));
  }

  async #ask<T>(key: string, question: () => Promise<T>): Promise<T | null> {
    const node = this.#nodeOf(key);
    if (this.#closed || node === null) return this.#none();
    const underWay = this.#silent.get(node);
    if (underWay !== undefined) {
      if (underWay === 0) this.#listen(node, this.#insist(question));
      return this.#none();
    }
    const answer = this.#insist(question);
    try {
      return await withDeadline(this.#clock, answer, this.#answerMs, 'Redis');
    } catch (error) {
      if (error instanceof DeadlineExceeded) this.#listen(node, answer);
      else if (!isAnswer(error)) this.#silent.set(node, this.#silent.get(node) ?? 0);
      return this.#none();
    }
  }

  #none(): null {
    this.#unanswered += 1;
    return null;
  }

  /** Asks again, within the same time, what the node cannot answer for the moment. */
  async #insist<T>(question: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#clock.monotonicMs() + this.#answerMs;
    for (;;) {
      try {
        return await question();
      } catch (error) {
        if (!isPassing(error)) throw error;
        await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
        if (this.#closed || this.#clock.monotonicMs() >= deadlineMs) throw error;
      }
    }
  }

  /** Finds the node silent until an answer of it arrives. */
  #listen(node: string, late: Promise<unknown>): void {
    this.#silent.set(node, (this.#silent.get(node) ?? 0) + 1);
    late.then(
      () => this.#silent.delete(node),
      (error: unknown) => {
        const underWay = this.#silent.get(node) ?? 0;
        if (isAnswer(error)) this.#silent.delete(node);
        else if (underWay > 0) this.#silent.set(node, underWay - 1);
      },
    );
  }
}

import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { Platform } from './platform.ts';

/** Holds at least two turns of everything a Castellan does by itself. */
const IDLE_MS = 6_500;

/** What requests asked of the servers behind Castellan, by name: those that also come without any request are left out. */
export interface Trips {
  readonly statements: readonly string[];
  readonly commands: readonly string[];
}

/** Counts round trips while it is open; PostgreSQL writes every statement to its log meanwhile. */
export class TripCounter implements AsyncDisposable {
  readonly #log: string;
  readonly #postgres: Client;
  readonly #redis: Redis;
  #idle: Trips = { statements: [], commands: [] };

  private constructor(log: string, postgres: Client, redis: Redis) {
    this.#log = log;
    this.#postgres = postgres;
    this.#redis = redis;
  }

  /** Watches for a while what happens when nothing is asked. */
  static async open({ postgresLog, databaseUrl, redisUrl }: Platform): Promise<TripCounter> {
    const postgres = new Client({ connectionString: databaseUrl });
    await postgres.connect();
    const counter = new TripCounter(postgresLog, postgres, new Redis(redisUrl));
    await counter.#logStatements('all');
    counter.#idle = await counter.during(() => sleep(IDLE_MS));
    return counter;
  }

  /**
   * What comes of one of these pieces of work, which ask for the same: that of which least came. Some things happen seldom,
   * and may fall into any of them.
   */
  async least(works: readonly (() => Promise<unknown>)[]): Promise<Trips> {
    const all: Trips[] = [];
    for (const work of works) all.push(await this.during(work));
    const size = ({ statements, commands }: Trips) => statements.length + commands.length;
    const [least] = all.toSorted((a, b) => size(a) - size(b));
    if (least === undefined) throw new TypeError('nothing was to be done');
    return least;
  }

  async during(work: () => Promise<unknown>): Promise<Trips> {
    await this.#redis.config('RESETSTAT');
    const { size } = await stat(this.#log);
    await work();
    const commands = commandsIn(await this.#redis.info('commandstats'));
    // Written before a statement is run, so that all of an answer's are there.
    const statements = statementsIn((await readFile(this.#log)).subarray(size).toString());
    return {
      statements: statements.filter((name) => !this.#idle.statements.includes(name)),
      commands: commands.filter((name) => !this.#idle.commands.includes(name)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#logStatements('none');
    this.#redis.disconnect();
    await this.#postgres.end();
  }

  async #logStatements(which: 'all' | 'none'): Promise<void> {
    await this.#postgres.query(`alter system set log_statement = '${which}'`);
    await this.#postgres.query('select pg_reload_conf()');
  }
}

/** The names for a reader, each with how often it came. */
export function namesOf(names: readonly string[]): string {
  const counts = Map.groupBy(names, (name) => name);
  return [...counts].map(([name, all]) => (all.length === 1 ? name : `${name} ×${all.length}`)).join(', ') || 'none';
}

/** The name of a prepared statement, or the beginning of one without. */
function statementsIn(log: string): readonly string[] {
  const found = log.matchAll(/LOG: {2}(?:execute (\S+): (.*)|statement: (.*))/g);
  return [...found].map(([, name, text, plain]) =>
    name === undefined || name === '<unnamed>' ? (text ?? plain ?? '') : name,
  );
}

/** What we send to count the others. */
const OURS: ReadonlySet<string> = new Set(['config|resetstat', 'info']);

function commandsIn(stats: string): readonly string[] {
  const found = stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm);
  return [...found].flatMap(([, name = '', calls]) =>
    OURS.has(name) ? [] : Array.from({ length: Number(calls) }, () => name),
  );
}

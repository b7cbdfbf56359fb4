import { PASSWORD } from '../support/castellan.ts';
import type { Balancer } from './balancer.ts';
import type { Cluster, TestUser } from './cluster.ts';
import { describe, doneOf, SIGN_IN, type SignedIn } from './session-queries.ts';

const ASK = '{ me { id roles { name } } }';
const RENAME = `mutation ($id: ID!, $name: String!) {
  updateUser(input: { id: $id, name: $name }) { user { name } receipt { enforced } }
}`;

/** Whoever is answered nothing but failures gives up. */
const FAILURES_MAX = 20;

/** Clients that ask without pause, and rename themselves with every tenth question. */
export class RenameLoad {
  /** What was answered with anything but what was asked for. */
  readonly failures: string[] = [];
  asked = 0;
  readonly #balancer: Balancer;
  readonly #users: readonly TestUser[];
  readonly #renamed = new Map<string, number>();
  readonly #clients: readonly Promise<void>[];
  #over = false;

  constructor(balancer: Balancer, users: readonly TestUser[]) {
    this.#balancer = balancer;
    this.#users = users;
    this.#clients = users.map((user) => this.#ask(user));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#clients);
  }

  /** How many changes of each user were acknowledged, and how many were carried out. */
  async changes({ postgres }: Pick<Cluster, 'postgres'>): Promise<{ acknowledged: number[]; carriedOut: number[] }> {
    const rows = await postgres.query<{ subject_id: string; count: string }>(
      `select subject_id, count(*) from audit_entries where action = 'user.update' and subject_id = any($1)
       group by subject_id`,
      [this.#users.map(({ id }) => id)],
    );
    const counts = new Map(rows.map(({ subject_id, count }) => [subject_id, Number(count)]));
    return {
      acknowledged: this.#users.map(({ id }) => this.#renamed.get(id) ?? 0),
      carriedOut: this.#users.map(({ id }) => counts.get(id) ?? 0),
    };
  }

  async #ask({ id, email }: TestUser): Promise<void> {
    let token = await this.#signIn(email);
    for (let turn = 0; !this.#over && this.failures.length < FAILURES_MAX; turn += 1) {
      const isChange = turn % 10 === 0;
      const options = { token, ...(isChange && { variables: { id, name: `bob ${turn}` } }) };
      const reply = await this.#balancer.ask(isChange ? RENAME : ASK, options).catch(String);
      this.asked += 1;
      if (typeof reply === 'string') this.failures.push(reply);
      else if (reply.codes[0] === 'TOKEN_EXPIRED') token = await this.#signIn(email);
      else if (reply.status !== 200 || reply.codes.length > 0) this.failures.push(describe(reply));
      else if (isChange) this.#renamed.set(id, (this.#renamed.get(id) ?? 0) + 1);
    }
  }

  async #signIn(email: string): Promise<string> {
    const variables = { input: { email, password: PASSWORD } };
    const reply = await this.#balancer.ask(SIGN_IN, { variables }).catch(String);
    this.asked += 1;
    const signedIn = typeof reply === 'string' ? null : (doneOf(reply) as SignedIn | null);
    if (signedIn === null) this.failures.push(typeof reply === 'string' ? reply : describe(reply));
    return signedIn?.accessToken ?? '';
  }
}

import type { IncomingHttpHeaders } from 'node:http';
import DataLoader from 'dataloader';
import { GraphQLError } from 'graphql';
import type { Document } from './document.ts';

/** Whatever Castellan does, our own answer is not late. */
const DEADLINE_MS = 3_000;
/** What Castellan answers at once. */
const QUESTIONS_MAX = 1_000;
/** Who asks us is who asks Castellan: each kind of credential goes on as it came. */
const CREDENTIALS = ['authorization', 'x-api-key'] as const;

const QUESTIONS = `query ($checks: [CheckInput!]!) {
  viewerCanMany(checks: $checks) { allowed reason }
}`;

interface Question {
  readonly action: 'read' | 'update';
  readonly document: Document;
}

interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

interface Answer {
  readonly data?: { readonly viewerCanMany: readonly Decision[] } | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[];
}

/**
 * What the bearer of a request may do here, decided by Castellan. Made anew for every request, and nothing is kept: what was
 * taken away is taken away here with the next question. Questions of one moment travel together.
 */
export class Permissions {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #decisions = new DataLoader<Question, Decision, string>((questions) => this.#ask(questions), {
    maxBatchSize: QUESTIONS_MAX,
    // A record that changed is another question.
    cacheKeyFn: ({ action, document }) => JSON.stringify([action, document]),
  });

  /**
   * @param url of Castellan's GraphQL
   * @param headers of the request
   */
  constructor(url: string, headers: IncomingHttpHeaders) {
    this.#url = url;
    this.#headers = Object.fromEntries(
      CREDENTIALS.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : [])),
    );
  }

  decide(action: Question['action'], document: Document): Promise<Decision> {
    return this.#decisions.load({ action, document });
  }

  /** The documents among these that may be read, in their order. */
  async readable(documents: readonly Document[]): Promise<readonly Document[]> {
    const decisions = await Promise.all(documents.map((document) => this.decide('read', document)));
    return documents.filter((_, at) => decisions[at]?.allowed === true);
  }

  async #ask(questions: readonly Question[]): Promise<readonly Decision[]> {
    const checks = questions.map(({ action, document: { id, ownerId, archived, scope } }) => ({
      action,
      subject: 'Document',
      id,
      attributes: { ownerId, archived, scope },
    }));
    const { data, errors } = await this.#post({ query: QUESTIONS, variables: { checks } });
    // A refused credential is refused here in the same words.
    const [refusal] = errors ?? [];
    if (refusal !== undefined) throw new GraphQLError(refusal.message, { extensions: refusal.extensions ?? {} });
    if (data?.viewerCanMany.length !== questions.length) throw unavailable();
    return data.viewerCanMany;
  }

  async #post(body: object): Promise<Answer> {
    const asked = fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#headers },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    // Castellan's answer in its own words; whoever cannot ask may not.
    return asked.then((response) => response.json() as Promise<Answer>).catch(() => Promise.reject(unavailable()));
  }
}

function unavailable(): GraphQLError {
  const extensions = { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 };
  return new GraphQLError('Nobody can say right now what you may do. Try again shortly.', { extensions });
}

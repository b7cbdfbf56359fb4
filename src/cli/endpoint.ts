import { PolicyError, type PolicyProblem } from '../domain/policy/problems.ts';
import { isThisMachine } from '../kit/production-settings.ts';
import type { Environment } from './environment.ts';
import { Misuse } from './report.ts';

const ANSWER_MS = 30_000;

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
}

/** A Castellan that is asked over HTTP, with the access token in CASTELLAN_TOKEN. */
export class Endpoint {
  readonly #url: URL;
  readonly #token: string;
  /** What the holder of the token must be allowed to do. */
  readonly #right: string;

  constructor(
    url: string,
    { CASTELLAN_TOKEN: token = '' }: Environment,
    right = 'read the policy, such as an auditor',
  ) {
    const { protocol, hostname } = URL.parse(url) ?? {};
    if (hostname === undefined || (protocol !== 'http:' && protocol !== 'https:')) {
      throw new Misuse(`--endpoint must be a URL such as http://127.0.0.1:4001, not ${url}`);
    }
    if (protocol === 'http:' && !isThisMachine(hostname)) {
      throw new Misuse(`--endpoint must start with https://, unless it is on this machine: a token is sent there`);
    }
    if (token === '') {
      throw new Misuse('CASTELLAN_TOKEN must hold an access token: sign in, and export the accessToken that you get');
    }
    this.#url = new URL(url);
    if (this.#url.pathname === '/') this.#url.pathname = '/graphql';
    this.#token = token;
    this.#right = right;
  }

  /** Data of the answer, whose shape the query tells. Partial answers count: a field one may not read is null. */
  async ask<T>(query: string, variables: object): Promise<T> {
    const { status, text } = await this.#post(JSON.stringify({ query, variables }));
    if (status === 413) {
      throw new Error('These files are too large to be sent. With --database, diff compares any number of them.');
    }
    const { data, errors = [] } = parsed(text);
    if (data === undefined && errors.length === 0) {
      throw new Error(`${this.#url.href} is no GraphQL endpoint: it answered ${status}. Check --endpoint.`);
    }
    const [first] = errors;
    if (first !== undefined && isNothing(data)) throw failureOf(first, this.#right);
    return data as T; // the schema says so
  }

  #post(body: string): Promise<{ readonly status: number; readonly text: string }> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` };
    const signal = AbortSignal.timeout(ANSWER_MS);
    // A redirect would take the files, and perhaps the token, to where nobody meant them to go.
    const sent = fetch(this.#url, { method: 'POST', headers, body, signal, redirect: 'error' });
    return sent
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch((error: unknown) => {
        throw new Error(this.#unreachable(error as Error));
      });
  }

  #unreachable(error: Error): string {
    const { host } = this.#url;
    if (error.name === 'TimeoutError') {
      return `${host} did not answer within ${ANSWER_MS / 1_000} s. Try again, or use --database.`;
    }
    const { code, message } = (error.cause ?? error) as { readonly code?: string; readonly message: string };
    const why = `${host} cannot be reached: ${code ?? message}`;
    if (/CERT|SIGNATURE/.test(code ?? '')) {
      return `${why}. Where its certificate is of an authority of your own: NODE_EXTRA_CA_CERTS=/path/of/ca.pem`;
    }
    return `${why}. Check --endpoint, and that Castellan runs there.`;
  }
}

function parsed(text: string): Answer {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? answer : {};
  } catch {
    return {};
  }
}

function isNothing(data: unknown): boolean {
  return typeof data !== 'object' || data === null || Object.values(data).every((value) => value === null);
}

function failureOf({ message, extensions = {} }: NonNullable<Answer['errors']>[number], right: string): Error {
  const { code, problems } = extensions;
  if (Array.isArray(problems)) return new PolicyError(problems as PolicyProblem[]); // as files and cases are refused
  if (code === 'TOKEN_EXPIRED' || code === 'UNAUTHENTICATED' || code === 'SESSION_REVOKED') {
    return new Error(`The token in CASTELLAN_TOKEN is refused (${code}). Sign in again, and export the new one.`);
  }
  if (code === 'FORBIDDEN') {
    return new Error(`${message} The token must be of somebody who may ${right}.`);
  }
  return new Error(message);
}

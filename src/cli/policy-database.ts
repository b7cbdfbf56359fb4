import { createStore } from '../drivers/postgres/store.ts';
import type { Bundle } from '../domain/policy/bundle.ts';
import { PolicyError } from '../domain/policy/problems.ts';
import type { PopulationMember, Store } from '../domain/store.ts';
import { Secret } from '../kit/secret.ts';
import { explain } from './failure.ts';
import { bundleOfOthers } from './policy-in-force.ts';
import { Misuse } from './report.ts';
import { withDatabase } from './with-database.ts';

const PAGE = 1_000;

/** The database answers, and does not have what was asked for. */
export class NotThere extends Error {}

/** What can be read from a database, each wait bounded by the driver. Only reads. */
export async function fromDatabase<T>(url: string, read: (store: Store) => Promise<T>): Promise<T> {
  if (!URL.canParse(url) || !['postgres:', 'postgresql:'].includes(new URL(url).protocol)) {
    throw new Misuse('--database (or DATABASE_URL) must be a URL that starts with postgres://');
  }
  // A few reads, by whatever way there is.
  const which = { url: new Secret(url), poolMax: 2, preparedStatements: false };
  return withDatabase(which, (database) => read(createStore(database))).catch((error: unknown) => {
    if (error instanceof NotThere || error instanceof Misuse || error instanceof PolicyError) throw error;
    throw new Error(failureOf(error));
  });
}

/** The policy in force. */
export async function bundleInForce({ bundles }: Store): Promise<Bundle> {
  const version = await bundles.inForce();
  const files = version === null ? null : await bundles.files(version);
  if (version !== null && files !== null) return bundleOfOthers(version, files);
  throw new NotThere(
    'No policy is in force in this database. Start Castellan on it once, or compare with --against <folder>.',
  );
}

/** All active users and service accounts, a page at a time. */
export async function everybodyIn({ population }: Store): Promise<readonly PopulationMember[]> {
  const everybody: PopulationMember[] = [];
  for (let after = ''; ; after = everybody.at(-1)?.record.id ?? '') {
    const page = await population.page(after, PAGE);
    everybody.push(...page);
    if (page.length < PAGE) return everybody;
  }
}

const UNDEFINED_TABLE = '42P01';

function failureOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code === UNDEFINED_TABLE) {
    return 'This database is not one of Castellan, or not up to date: run `castellan migrate`, or check its URL.';
  }
  if (code === 'AUTHORITY_UNAVAILABLE' || /timeout/i.test(String(message))) {
    return 'The database did not answer in time. Check that it is reachable and not overloaded, and try again.';
  }
  const told = explain(error);
  const known = /^DATABASE_URL (.*)$/s.exec(told)?.[1];
  return known === undefined ? told : `The database ${known} Check --database, or DATABASE_URL.`;
}

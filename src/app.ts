import { randomBytes } from 'node:crypto';
import type { Services } from './api/graphql/services.ts';
import type { Documents } from './api/graphql/documents.ts';
import { startAuthority } from './app/authority.ts';
import { Cleanup } from './app/cleanup.ts';
import { openDocuments } from './app/documents.ts';
import { openDoors } from './app/doors.ts';
import { type Overrides, openFoundation } from './app/foundation.ts';
import { TlsCertificate } from './app/tls.ts';
import { createUseCases } from './app/use-cases.ts';
import { ConfigError, type Config } from './config.ts';
import { Refusal } from './domain/refusals.ts';
import { createFirstAdministrator, isAdministered } from './domain/roles/first-administrator.ts';
import type { PolicyFiles } from './domain/roles/policy-files.ts';
import type { Errands } from './domain/users/errands.ts';
import { watchFolder } from './drivers/files/watch-folder.ts';
import type { Database } from './drivers/postgres/database.ts';
import { systemClock, type Clock } from './kit/clock.ts';
import { createLog, type Log } from './kit/log.ts';
import type { Metrics } from './kit/metrics.ts';

export { AUTH_MEANS, publishedSdl, readSchemaText } from './api/graphql/sdl.ts';
export type { Overrides } from './app/foundation.ts';

export interface FirstAdministrator {
  readonly email: string;
  /** Null when it came from the configuration. */
  readonly oneTimePassword: string | null;
  /** Whether it was there, and its initial password had ended. */
  readonly renewed: boolean;
}

export interface App {
  /** Where it listens, such as `http://127.0.0.1:4001`; https where TLS is spoken here. */
  readonly url: string;
  /** The administrator that this start created, or gave another password; null when there was nothing to do. */
  readonly firstAdministrator: FirstAdministrator | null;
  /** Whether there is an administrator at all. */
  readonly administered: boolean;
  readonly services: Services;
  readonly errands: Errands;
  readonly documents: Documents;
  readonly metrics: Metrics;
  readonly database: Database;
  /** Says that it is not ready and lets no connection be used again, and goes on answering until it is closed. */
  leave(): void;
  /** Drains and stops everything it started, in the opposite order. */
  close(): Promise<void>;
}

/**
 * Puts the house together and opens its doors. Throws, with nothing left running, when a part cannot start; and as soon as it is not
 * wanted any more, with the reason of the signal: what is being opened then is closed when it is there.
 */
export async function createApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const logger = overrides.logger ?? createLog(config.logLevel);
  const cleanup = new Cleanup(logger);
  try {
    return await build(config, overrides, logger, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function build(config: Config, overrides: Overrides, logger: Log, cleanup: Cleanup): Promise<App> {
  const app = await whileWanted(overrides.signal, open(config, overrides, logger, cleanup));
  // Last of what may fail, whoever wants it: the one-time password exists nowhere but in the answer.
  const firstAdministrator = await openAdministration(config, app.services);
  const administered = firstAdministrator !== null || (await isAdministered(app.services.roles));
  return { ...app, firstAdministrator, administered };
}

async function whileWanted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  const { promise: unwanted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  work.catch(() => {});
  try {
    return await Promise.race([work, unwanted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function open(
  config: Config,
  overrides: Overrides,
  logger: Log,
  cleanup: Cleanup,
): Promise<Omit<App, 'firstAdministrator' | 'administered'>> {
  // First: whoever mistyped a document need not wait for a database.
  const asking = await openDocuments(config);
  const tls = await TlsCertificate.open(config, { clock: overrides.clock ?? systemClock, logger });
  const foundation = await openFoundation(config, overrides, logger, cleanup);
  const { clock, metrics, database } = foundation;
  const parts = await startAuthority(foundation);
  const { errands, ...services } = await createUseCases(foundation, parts);
  metrics.counter('errands_abandoned_total', 'Mails and requests that were given up.', () => errands.abandoned);
  metrics.counter('errands_failed_total', 'Times that a mail or request could not be done yet.', () => errands.failed);
  const { url, documents, leave } = await openDoors(foundation, parts, services, asking, tls);
  if (config.policiesWatched && overrides.policyFiles === undefined)
    followPolicies(config, services.policyFiles, clock, logger, cleanup);
  return { url, services, errands, documents, metrics, database, leave, close: () => cleanup.run() };
}

/** In development, a policy that is edited is the policy. */
function followPolicies(
  { policiesDir }: Config,
  files: PolicyFiles,
  clock: Clock,
  logger: Log,
  cleanup: Cleanup,
): void {
  const stop = watchFolder(policiesDir, {
    clock,
    changed: () => void files.follow(),
    failed: (error) => logger.error({ err: error }, 'the policy files are not watched any more'),
  });
  cleanup.add('the watch over the policy files', () => {
    stop();
    return files.settled();
  });
  // For what changed since they were read.
  void files.follow();
}

async function openAdministration(config: Config, { users, roles }: Services): Promise<FirstAdministrator | null> {
  const { adminEmail: email, adminPassword, production } = config;
  if (email === null) return null;
  const password = adminPassword?.reveal() ?? randomBytes(18).toString('base64url');
  const oneTimePassword = adminPassword === null ? password : null;
  try {
    if (await createFirstAdministrator({ users, roles }, { email, password })) {
      return { email, oneTimePassword, renewed: false };
    }
    // Whoever comes back to a trial on the next day has nobody to ask. In production there is `castellan admin recover`.
    if (!production && (await users.renewPassword(email, password))) return { email, oneTimePassword, renewed: true };
    return null;
  } catch (error) {
    if (!(error instanceof Refusal) || error.data.field !== 'password') throw error;
    throw new ConfigError([{ variable: 'ADMIN_PASSWORD', message: `cannot be used. ${error.message}` }]);
  }
}

import { tracing } from '../../kit/tracing.ts';
import type { AuditActor } from '../../domain/audit/entry.ts';
import type { Store, Transaction } from '../../domain/store.ts';
import { createAccountTokenWriter, createErrandWriter, createPasswordGuessWriter } from './account-store.ts';
import { createApiKeyPages, createApiKeyReader, createApiKeyWriter } from './api-key-store.ts';
import { createAuditChainWriter } from './audit-chain.ts';
import { createAuditReader, createAuditWriter } from './audit-store.ts';
import { createBundleReader, createBundleWriter } from './bundle-store.ts';
import { createChallengeWriter } from './challenge-store.ts';
import { createCleaningWriter } from './cleaning.ts';
import { translated, translating, type Database } from './database.ts';
import { POSTGRESQL } from './query.ts';
import { createFactorReader, createFactorWriter } from './factor-store.ts';
import { createFence } from './fence.ts';
import { createGrantReader, createGrantWriter } from './grant-store.ts';
import { createOutboxReader, createOutboxWriter } from './outbox-store.ts';
import { createRolePages, createRoleReader, createRoleWriter } from './role-store.ts';
import { createRollupReader, createRollupWriter } from './rollup-store.ts';
import { createScopePages, createScopeReader, createScopeWriter } from './scope-store.ts';
import { createActivityWriter } from './session-care.ts';
import { createEndingWriter, createLevelReader, createLevelWriter, createSessionFacts } from './session-counts.ts';
import { createShippingWriter } from './shipping-store.ts';
import { createSignalWriter } from './signal-store.ts';
import {
  createSecurityEventPages,
  createSecurityEventReader,
  createSecurityEventWriter,
} from './security-event-store.ts';
import {
  createServiceAccountPages,
  createServiceAccountReader,
  createServiceAccountWriter,
} from './service-account-store.ts';
import { createSessionPages, createSessionReader, createSessionWriter } from './session-store.ts';
import { createSignInReader, createSignInWriter } from './sign-in-store.ts';
import { createSigningKeyReader, createSigningKeyWriter } from './signing-key-store.ts';
import { createPopulationReader, createSnapshotReader } from './snapshots.ts';
import type { Statements } from './transactions.ts';
import { createUsageReader, createUsageWriter } from './usage-store.ts';
import { createUserPages, createUserReader, createUserWriter } from './user-store.ts';

/**
 * See {@link Store}.
 * @param audited is told of the entries of the audit log that were committed, by their plain numbers
 */
export function createStore(
  { query, read, transactions }: Database,
  audited: (ids: readonly string[]) => void = () => {},
): Store {
  return {
    users: translating({ ...createUserReader(read), ...createUserPages(read) }),
    serviceAccounts: translating({ ...createServiceAccountReader(read), ...createServiceAccountPages(read) }),
    apiKeys: translating({ ...createApiKeyReader(read), ...createApiKeyPages(read) }),
    scopes: translating({ ...createScopeReader(read), ...createScopePages(read) }),
    roles: translating({ ...createRoleReader(read), ...createRolePages(read) }),
    grants: translating(createGrantReader(read)),
    sessions: translating({ ...createSessionReader(read), ...createSessionPages(read) }),
    securityEvents: translating({ ...createSecurityEventPages(read), ...createSecurityEventReader(query) }),
    factors: translating(createFactorReader(query)),
    bundles: translating(createBundleReader(query)),
    signingKeys: translating(createSigningKeyReader(query)),
    snapshots: translating(createSnapshotReader(query)),
    population: translating(createPopulationReader(read)),
    rollups: translating(createRollupReader(read)),
    sessionLevels: translating(createLevelReader(read)),
    audit: translating(createAuditReader(query, read)),
    outbox: translating(createOutboxReader(query)),
    usage: translating(createUsageReader(query)),
    signIns: translating(createSignInReader(query)),

    async transaction(work, actor) {
      const logIds: string[] = [];
      const auditIds: string[] = [];
      try {
        const value = await tracing.asked('postgresql transaction', POSTGRESQL, () =>
          transactions((statements) => work(createTransaction(statements, { logIds, auditIds }, actor ?? null))),
        );
        audited(auditIds);
        return { value, logIds };
      } catch (error) {
        throw translated(error);
      }
    },
  };
}

function createTransaction(
  on: Statements,
  { logIds, auditIds }: { readonly logIds: string[]; readonly auditIds: string[] },
  actor: AuditActor | null,
): Transaction {
  const noting =
    (ids: string[]) =>
    (rows: readonly { readonly id: string }[]): void => {
      for (const { id } of rows) ids.push(id);
    };
  const noted = noting(logIds);
  return {
    users: createUserWriter(on),
    serviceAccounts: createServiceAccountWriter(on),
    apiKeys: createApiKeyWriter(on),
    scopes: translating(createScopeWriter(on)),
    roles: translating(createRoleWriter(on)),
    grants: translating(createGrantWriter(on)),
    sessions: createSessionWriter(on),
    activity: createActivityWriter(on),
    cleaning: createCleaningWriter(on),
    factors: createFactorWriter(on),
    challenges: createChallengeWriter(on),
    accountTokens: createAccountTokenWriter(on),
    errands: createErrandWriter(on),
    passwordGuesses: createPasswordGuessWriter(on),
    bundles: createBundleWriter(on),
    signingKeys: createSigningKeyWriter(on),
    audit: translating(createAuditWriter(on, actor, noting(auditIds))),
    auditChain: createAuditChainWriter(on),
    rollups: createRollupWriter(on),
    sessionFacts: createSessionFacts(on.query),
    sessionLevels: createLevelWriter(on),
    ending: createEndingWriter(on),
    outbox: createOutboxWriter(on),
    usage: createUsageWriter(on),
    signIns: createSignInWriter(on),
    securityEvents: createSecurityEventWriter(on),
    signals: createSignalWriter(on),
    shipping: createShippingWriter(on),
    fence: createFence(on),
    authority: {
      async append({ target, kind, userId, reason }) {
        await on.send(
          'authority-append',
          'insert into authority_log (target, kind, user_id, reason) values ($1, $2, $3, $4) returning id',
          [target, kind, userId, reason],
          noted,
        );
      },

      async appendAll(changes) {
        if (changes.length === 0) return;
        await on.send(
          'authority-append-all',
          `insert into authority_log (target, kind, user_id, reason)
           select target, kind, user_id, reason
           from unnest($1::text[], $2::text[], $3::text[], $4::text[])
             with ordinality as change (target, kind, user_id, reason, at) order by at
           returning id`,
          [
            changes.map(({ target }) => target),
            changes.map(({ kind }) => kind),
            changes.map(({ userId }) => userId),
            changes.map(({ reason }) => reason),
          ],
          noted,
        );
      },
    },
  };
}

import type { RollupReader, RollupWriter } from './analytics/rollup-store.ts';
import type { ApiKey, ApiKeyInputs, ApiKeyReader, ApiKeyWriter } from './api-keys/api-key.ts';
import type { AuthorityChange } from './authority/log.ts';
import type { AuditActor, AuditWriter } from './audit/entry.ts';
import type { AuditChainWriter, AuditReader } from './audit/log.ts';
import type { ChallengeWriter } from './authentication/challenges.ts';
import type { PasswordGuessWriter } from './authentication/password-guesses.ts';
import type { FactorReader, FactorWriter } from './authentication/factor.ts';
import type { Pages } from './pages.ts';
import type { OutboxReader, OutboxWriter } from './outbox/event.ts';
import type { BundleReader, BundleWriter } from './policy/bundle-store.ts';
import type { HeldGrant } from './principals/principal.ts';
import type { GrantReader, GrantWriter, Role, RoleReader, RoleWriter } from './roles/role.ts';
import type { SignInReader, SignInWriter } from './authentication/sign-in.ts';
import type { SecurityEvent, SecurityEventReader, SecurityEventWriter } from './security/security-event.ts';
import type { SetAsideReader, SetAsideWriter } from './security/set-aside.ts';
import type { ShippingWriter } from './shipping.ts';
import type { SignalWriter } from './security/signal.ts';
import type { Scope, ScopeReader, ScopeWriter } from './scopes/scope.ts';
import type { ActivityWriter } from './sessions/activity.ts';
import type { CleaningWriter } from './sessions/cleaner.ts';
import type { SessionFactsReader } from './sessions/session-counts.ts';
import type { EndingWriter } from './sessions/session-ender.ts';
import type { SessionInputs } from './sessions/session-states.ts';
import type { LevelReader, LevelWriter } from './sessions/session-levels.ts';
import type { ServiceAccount, ServiceAccountReader, ServiceAccountWriter } from './service-accounts/service-account.ts';
import type { Session, SessionReader, SessionWriter } from './sessions/session.ts';
import type { SigningKeyReader, SigningKeyWriter } from './tokens/signing-key.ts';
import type { AccountTokenWriter } from './users/account-tokens.ts';
import type { ErrandWriter } from './users/errands.ts';
import type { UsageReader, UsageWriter } from './usage/usage.ts';
import type { User, UserReader, UserWriter } from './users/user.ts';

/**
 * Durable reads. Writes exist only on a {@link Transaction}, and so do audit and the authority log: an unaudited
 * write or a silent revocation does not compile. test/contract/store.contract.ts holds every driver to these words.
 */
export interface Store {
  readonly apiKeys: ApiKeyReader & Pages<ApiKey>;
  readonly scopes: ScopeReader & Pages<Scope>;
  readonly users: UserReader & Pages<User>;
  readonly serviceAccounts: ServiceAccountReader & Pages<ServiceAccount>;
  readonly roles: RoleReader & Pages<Role>;
  readonly grants: GrantReader;
  readonly sessions: SessionReader & Pages<Session>;
  readonly securityEvents: SecurityEventReader & SetAsideReader & Pages<SecurityEvent>;
  readonly factors: FactorReader;
  readonly bundles: BundleReader;
  readonly signingKeys: SigningKeyReader;
  readonly snapshots: SnapshotReader;
  readonly population: PopulationReader;
  readonly rollups: RollupReader;
  readonly sessionLevels: LevelReader;
  readonly audit: AuditReader;
  readonly outbox: OutboxReader;
  readonly usage: UsageReader;
  readonly signIns: SignInReader;

  /**
   * Commits what `work` wrote when it resolves, and nothing when it rejects. Runs READ COMMITTED with every wait
   * bounded. Rejects with {@link TransactionConflict} when the database chose this transaction to give way.
   *
   * @param actor who its audit entries are by; without one nobody asked for it
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, actor?: AuditActor): Promise<CommittedWork<T>>;
}

export interface CommittedWork<T> {
  readonly value: T;
  /** Rows this transaction added to the authority log; their positions exist since the commit. */
  readonly logIds: readonly string[];
}

/**
 * Carries out what it is asked for in the order in which it is asked for it, each on what was committed by then. What gives no
 * answer is not waited for: where it fails, whatever is asked for after it rejects, and so does the transaction.
 */
export interface Transaction {
  readonly apiKeys: ApiKeyWriter;
  readonly scopes: ScopeWriter;
  readonly users: UserWriter;
  readonly serviceAccounts: ServiceAccountWriter;
  readonly roles: RoleWriter;
  readonly grants: GrantWriter;
  readonly sessions: SessionWriter;
  readonly activity: ActivityWriter;
  readonly cleaning: CleaningWriter;
  readonly factors: FactorWriter;
  readonly challenges: ChallengeWriter;
  readonly accountTokens: AccountTokenWriter;
  readonly errands: ErrandWriter;
  readonly passwordGuesses: PasswordGuessWriter;
  readonly bundles: BundleWriter;
  readonly signingKeys: SigningKeyWriter;
  readonly audit: AuditWriter;
  readonly auditChain: AuditChainWriter;
  readonly rollups: RollupWriter;
  readonly authority: {
    append(change: AuthorityChange): Promise<void>;
    /** Appends all of these, in order. One statement. */
    appendAll(changes: readonly AuthorityChange[]): Promise<void>;
  };
  readonly sessionFacts: SessionFactsReader;
  readonly sessionLevels: LevelWriter;
  readonly ending: EndingWriter;
  readonly outbox: OutboxWriter;
  readonly usage: UsageWriter;
  readonly signIns: SignInWriter;
  readonly securityEvents: SecurityEventWriter & SetAsideWriter;
  readonly signals: SignalWriter;
  readonly shipping: ShippingWriter;
  readonly fence: Fence;
}

/** The effect fence: what makes a change by someone whose rights were taken away meanwhile fail. */
export interface Fence {
  /**
   * Locks rows of users and service accounts in ascending order of id: `change` ones against each other, `share` ones against changes.
   * An id in both is locked in the stronger mode. Missing rows are passed over. The policy in force comes last: with
   * `share` it cannot change until the end of the transaction, with `change` nobody else shares or changes it. One that
   * is shared is not locked to be changed later: two that did so would wait for each other.
   */
  lock(what: {
    readonly change: readonly string[];
    readonly share: readonly string[];
    readonly policy: 'change' | 'share' | null;
  }): Promise<void>;
  /** Epoch and head of the log. What is read after it in this transaction is at least as new. */
  head(): Promise<{ readonly epoch: string; readonly seq: number }>;
  /**
   * Whether the log has anything about one of `dependencies` after `asOf`, or about the session after its own `asOf`, a
   * revocation of one of `credentials` after `label`, or anything about one of `sources` after that: what the credential was
   * read from. A statement of its own, after {@link lock}: one that locks and looks at once would look at the state from
   * before it waited for the lock.
   */
  outdated(basis: {
    readonly dependencies: readonly string[];
    readonly asOf: number;
    readonly session: { readonly id: string; readonly asOf: number } | null;
    readonly credentials: readonly string[];
    readonly label: number;
    readonly sources?: readonly string[];
  }): Promise<boolean>;
}

/** What decides about a principal, all from one snapshot that also names its log position. */
export interface PrincipalSnapshot {
  readonly epoch: string;
  readonly asOf: number;
  readonly policyVersion: string;
  readonly principals: ReadonlyMap<string, PrincipalInputs>;
}

export interface PrincipalInputs {
  readonly record: User | ServiceAccount;
  /** Without those that expired, and those in a suspended scope. */
  readonly grants: readonly HeldGrant[];
  /** Those in a suspended scope: they allow nothing, but their roles are among the record's. Without those that expired. */
  readonly dormant: readonly HeldGrant[];
  /** The ids of the home scope and all above it. */
  readonly homeIds: readonly string[];
  /** The ids of all scopes that the grants lie in, those in a suspended scope included. */
  readonly grantScopeIds: readonly string[];
}

/** What decides about sessions, all from one snapshot that also names its log position. */
export interface SessionSnapshot {
  readonly epoch: string;
  readonly asOf: number;
  readonly sessions: ReadonlyMap<string, SessionInputs>;
}

export interface SnapshotReader {
  /** The principals with these ids, without the missing ones. One snapshot. */
  principals(ids: readonly string[]): Promise<PrincipalSnapshot>;
  /** What decides about the sessions with these ids, without the missing ones. One snapshot. */
  sessions(ids: readonly string[]): Promise<SessionSnapshot>;
  /** What decides about the keys with these ids, without the missing ones; with the ids of their owners' home scopes and all above. One snapshot. */
  apiKeys(ids: readonly string[]): Promise<{
    readonly epoch: string;
    readonly asOf: number;
    readonly keys: ReadonlyMap<string, ApiKeyInputs & { readonly homeIds: readonly string[] }>;
  }>;
}

/** Somebody whom a change of policy may give or take something. */
export interface PopulationMember {
  readonly record: User | ServiceAccount;
  readonly grants: readonly HeldGrant[];
  /** How many sessions of theirs are live; a service account has none. */
  readonly liveSessions: number;
}

export interface PopulationReader {
  /** Active users and service accounts after this id, in the order of their ids, with grants that have not expired; at most `limit`. One statement. */
  page(afterId: string, limit: number): Promise<readonly PopulationMember[]>;
}

/** A deadlock or a serialisation failure: nothing was written, and the same work may be tried again. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict';
}

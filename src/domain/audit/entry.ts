import type { Instant } from '../../kit/clock.ts';
import type { Circumstances } from '../../kit/undertaking.ts';
import type { RefusalCode } from '../refusals.ts';
import type { AuditState } from './state.ts';

/** Who acts in a transaction, as far as an entry tells. */
export interface AuditActor {
  readonly id: string;
  readonly kind: ActorKind;
  readonly sessionId: string | null;
  /** The API key that acted, where one did. */
  readonly apiKeyId: string | null;
  /** By which policy it was decided, and with what of the authority log. */
  readonly policyVersion: string | null;
  readonly position: string | null;
}

export type ActorKind = 'user' | 'service' | 'anonymous' | 'system';

/** What was done, kept with it: written in the same transaction, so neither exists without the other. */
export interface AuditEntry {
  /** The id of who acted. */
  readonly by: string;
  readonly sessionId: string | null;
  /** `noun.verb`: `session.revoke`, `user.create`. */
  readonly action: string;
  /** Null where it was about nothing that has an id. */
  readonly subjectId: string | null;
  /** How it was, as far as it was changed; absent for what had not been there. */
  readonly before?: AuditState;
  /** How it is since; absent for what is not there any more. */
  readonly after?: AuditState;
  /** Why it was not done; absent for what was. */
  readonly code?: RefusalCode;
  /** Who acted and how, where that is not what the transaction says. */
  readonly as?: { readonly actor: AuditActor; readonly circumstances: Circumstances | null };
}

export interface AuditWriter {
  append(entry: AuditEntry): Promise<void>;
  /** Appends all of these, in order. One statement. */
  appendAll(entries: readonly AuditEntry[]): Promise<void>;
}

/** An entry as it is kept. */
export interface AuditRecord {
  readonly __typename: 'AuditEntry';
  readonly id: string;
  /** Its place in the chain; null until it has one. */
  readonly seq: number | null;
  readonly at: Instant;
  readonly principalId: string;
  /** What `principalId` names: `user`, `service`, `anonymous` or `system`. */
  readonly principalKind: string;
  readonly sessionId: string | null;
  readonly apiKeyId: string | null;
  readonly address: string | null;
  /** `http`, `websocket`, `sse`, `cli` or `background`; null for entries of before. */
  readonly protocol: string | null;
  readonly operation: string | null;
  readonly action: string;
  readonly subjectType: string | null;
  readonly subjectId: string | null;
  readonly outcome: 'done' | 'denied';
  readonly code: string | null;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly policyVersion: string | null;
  readonly position: string | null;
  /** The home scope of the user or service account it is about, and all paths from the root down to it. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
}

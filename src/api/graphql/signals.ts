import { Refusal } from '../../domain/refusals.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import type { SignalKind } from '../../kit/thresholds.ts';
import { networkOf } from '../../kit/networks.ts';
import type { OperationContext } from './context.ts';
import type { Services } from './services.ts';
import type { OperationFigure } from './operation-figures.ts';

/** By what somebody would give rights that they lack, to others or themselves. */
const GIVES: ReadonlySet<string> = new Set([
  'grantRole',
  'grantRoles',
  'createRole',
  'updateRole',
  'applyPolicy',
  'reloadPolicy',
  'rollbackPolicy',
  'createApiKey',
  'updateApiKey',
  'createUser',
  'importUsers',
  'createServiceAccount',
  'enableUser',
  'several',
]);
/** What a credential is refused with, for what it is. */
const NOT_HOLDING: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'SESSION_REVOKED', 'TOKEN_EXPIRED']);
const DENIED: ReadonlySet<string> = new Set(['FORBIDDEN', 'NOT_FOUND']);

/** Tells the detectors of an answer with errors. */
export function noteRefused({ by, from, services }: OperationContext, figure: OperationFigure, code: string): void {
  const { kind, field } = figure;
  const { address } = from;
  if (field === 'refreshSession' && code === 'SESSION_REVOKED') noteNetwork('credential.replayed', address, services);
  if (by.kind !== 'user') return;
  if (kind === 'mutation') noteDeniedGift({ by, from, services }, field, code);
  if (kind === 'query' && DENIED.has(code)) {
    services.detectors.note({ kind: 'read.denied', subject: by.id, userId: by.id, address });
  }
}

/** The same of one of many, which the answer tells without an error; of all else it says nothing. */
export function noteDeniedGift(
  { by, from: { address }, services }: Pick<OperationContext, 'by' | 'from' | 'services'>,
  mutation: string,
  code: string,
): void {
  if (by.kind !== 'user' || code !== 'FORBIDDEN' || !GIVES.has(mutation)) return;
  services.detectors.note({ kind: 'grant.denied', subject: by.id, userId: by.id, address });
}

/** Counts, and tells the detectors of, a request or a socket that was turned away at the door. */
export function noteTurnedAway(
  error: unknown,
  address: string | null,
  protocol: Protocol,
  services: Pick<Services, 'detectors' | 'authenticationAnalytics'>,
): void {
  if (!(error instanceof Refusal)) return;
  if (NOT_HOLDING.has(error.code)) services.authenticationAnalytics.count('credential', error.code, protocol);
  const kind = kindOf(error);
  if (kind !== null) noteNetwork(kind, address, services);
}

function kindOf({ code, data: { reason } }: Refusal): SignalKind | null {
  if (code === 'UNAUTHENTICATED') return 'credential.guessed';
  if (code === 'SESSION_REVOKED') return 'credential.replayed';
  if (code !== 'FORBIDDEN') return null;
  return reason === 'origin' ? 'origin.refused' : reason === 'csrf' ? 'csrf.refused' : null;
}

function noteNetwork(kind: SignalKind, address: string | null, { detectors }: Pick<Services, 'detectors'>): void {
  if (address !== null) detectors.note({ kind, subject: networkOf(address), address });
}

import type { Allowance } from '../../domain/limits/operation-limits.ts';
import { operationLabel } from '../../domain/usage/usage.ts';
import { Refusal } from '../../domain/refusals.ts';
import type { AskedOperation, OperationContext } from './context.ts';

/**
 * Counts one more operation of whoever asks, whatever door it came through; what it came to says whether it may begin. Only an
 * API key waits for it, one round trip, and then acts by what is so after that: what ended its rights meanwhile is refused.
 */
export function admitted(
  context: OperationContext,
  { operationName, query }: AskedOperation,
): Allowance | null | Promise<Allowance> {
  context.asked = { operationName, query };
  const { by, from, services } = context;
  const key = by.kind === 'user' ? by.credential.key : null;
  if (key === null) return services.operationLimits.admit(by, from.address);
  const shown = { id: key.id, ownerId: by.id, version: String(key.version) };
  const name = typeof operationName === 'string' ? operationName : null;
  const label = operationLabel(name, typeof query === 'string' ? query : '');
  return services.operationLimits.admitKey(shown, label).then(async (allowance) => {
    context.allowance = allowance;
    if (allowance.refusal === null) context.become(await services.identification.recheck(by));
    return allowance;
  });
}

/** What is said where more has come than can be done: nothing was begun. */
export function overloaded(): Refusal {
  return new Refusal(
    'AUTHORITY_UNAVAILABLE',
    'More has come than can be done, and this was not begun. Try again shortly.',
    {
      retryAfterSeconds: 1,
    },
  );
}

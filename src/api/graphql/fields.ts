import type { SubjectRecord } from '../../domain/principals/principal.ts';
import type { OperationContext } from './context.ts';

/** Resolves a field that the policy knows as an attribute: null with FORBIDDEN at its path for one who may not read it. */
export function readField<K extends string>(
  field: K,
): <T extends SubjectRecord & Readonly<Record<K, unknown>>>(
  record: T,
  args: unknown,
  context: OperationContext,
) => T[K] {
  return (record, _args, { by, services }) => services.policy.field(by, record, field);
}

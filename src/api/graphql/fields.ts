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

/**
 * Lets through who may read all of these attributes of a record: for a field that is none itself, so that no rule can name it. Whoever may
 * read some of the attributes alone must not be told what nobody gave them. FORBIDDEN for others.
 */
export function demandAll<T extends SubjectRecord>(
  attributes: readonly (keyof T & string)[],
  record: T,
  { by, services }: OperationContext,
): void {
  for (const attribute of attributes) services.policy.field(by, record, attribute);
}

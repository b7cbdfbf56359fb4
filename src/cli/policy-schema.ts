import { casesSchema, policySchema } from '../domain/policy/json-schema.ts';
import type { Report } from './report.ts';

/** `castellan policy schema`: what an editor needs to complete and check policy files, or files of cases. */
export function printableSchema({ cases = false }: { readonly cases?: boolean }): Report {
  const schema = cases ? casesSchema : policySchema;
  return { ok: true, lines: [JSON.stringify(schema, null, 2)], facts: { schema } };
}

import { GraphQLError } from 'graphql';
import { Refusal } from '../../domain/refusals.ts';
import type { DocumentLimits, LimitName, Limits } from '../../kit/limits.ts';

/** What the document of this request may be. */
export function limitsFor({
  byGateway,
  services: { limits },
}: {
  readonly byGateway: boolean;
  readonly services: { readonly limits: Limits };
}): DocumentLimits {
  return byGateway ? limits.gatewayDocuments : limits.documents;
}

const OF: Readonly<Record<LimitName, string>> = {
  tokens: 'tokens',
  nesting: 'brackets in each other',
  definitions: 'operations and fragments',
  depth: 'fields in each other',
  fields: 'fields',
  aliases: 'aliases',
  directives: 'directives',
  rootFields: 'root fields',
  repeats: 'pairs of fields of one name',
  cost: 'records to read',
  representations: 'representations',
};

/** @param value what was counted; counting stops where more would say nothing new */
export function overLimit(limit: LimitName, max: number, value: number): GraphQLError {
  const message = `The document has too many ${OF[limit]}: ${max} are allowed.`;
  const originalError = new Refusal('BAD_USER_INPUT', message, {
    limit,
    max,
    value: Math.min(value, Number.MAX_SAFE_INTEGER),
  });
  return new GraphQLError(message, { originalError });
}

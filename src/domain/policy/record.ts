import type { SubjectRecord } from '../principals/principal.ts';
import { type Misfit, misfit } from './values.ts';
import { attributeOf, scopeAttributeOf, type SubjectType } from './vocabulary.ts';
import { clip, didYouMean } from './words.ts';

/** A record made of attributes that somebody else named, or every attribute that was refused. */
export type MadeRecord =
  | { readonly record: SubjectRecord & Readonly<Record<string, unknown>> }
  | { readonly refused: readonly (Misfit & { readonly attribute: string })[] };

/**
 * Takes only what the subject declares and only values of the declared type. The type and the scopes of the record
 * are ours: `scopes` follows from the scope.
 */
export function makeRecord(type: SubjectType, id: string, attributes: Readonly<Record<string, unknown>>): MadeRecord {
  const refused: (Misfit & { attribute: string })[] = [];
  const taken = new Map<string, unknown>();
  for (const [attribute, value] of Object.entries(attributes)) {
    const declared = attribute === 'scopes' ? undefined : attributeOf(type, attribute);
    const wrong = declared === undefined ? undeclared(type, attribute) : misfit(declared, value);
    if (wrong !== null) refused.push({ ...wrong, attribute });
    else taken.set(attribute, value);
  }
  if (refused.length > 0) return { refused };

  const scope = scopeAttributeOf(type);
  const scopes = scope === undefined ? {} : { scopes: pathsTo(taken.get(scope)) };
  return { record: { ...Object.fromEntries(taken), ...scopes, id, __typename: type.name } };
}

function undeclared(type: SubjectType, attribute: string): Misfit {
  const scope = scopeAttributeOf(type);
  const follows = attribute === 'scopes' && scope !== undefined ? `they follow from "${scope}"` : undefined;
  const hint = follows ?? didYouMean(attribute, type.attributes.keys());
  return { message: `${type.name} has no attribute "${clip(attribute)}"`, ...(hint !== undefined && { hint }) };
}

/** `acme/platform` is within `acme` and within itself. */
function pathsTo(scope: unknown): readonly string[] {
  if (typeof scope !== 'string') return [];
  const segments = scope.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}

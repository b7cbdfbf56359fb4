import type { SubjectRecord } from '../principals/principal.ts';
import type { GrantFacts } from './compiler.ts';
import type { TemplateName } from './templates.ts';

/** One thing that would have to be different. */
export type Need =
  /** The record has this value. */
  | { readonly kind: 'attribute'; readonly attribute: string; readonly value: unknown }
  /** The record does not have this attribute. */
  | { readonly kind: 'absent'; readonly attribute: string }
  /** The role is granted, too; scope null is everywhere. */
  | { readonly kind: 'grant'; readonly role: string; readonly scope: string | null }
  /** The principal has this value. */
  | { readonly kind: 'principal'; readonly name: TemplateName; readonly value: string }
  /** Another field is asked about. */
  | { readonly kind: 'field'; readonly field: string }
  /** Only another policy would help: this deny matches, and nothing about the record keeps it from doing so. */
  | { readonly kind: 'deny'; readonly rule: string; readonly role: string; readonly reason: string };

/** What a question is about, as it is or as it might be. */
export interface Situation {
  readonly principal: Readonly<Record<TemplateName, string | null>>;
  readonly grants: readonly GrantFacts[];
  readonly subject: SubjectRecord & Readonly<Record<string, unknown>>;
  readonly field: string | undefined;
}

/** The situation in which what is needed is so. Denies stay: the policy is no part of the situation. */
export function withNeed(situation: Situation, need: Need, scopeAttribute: string | undefined): Situation {
  const { principal, grants, subject } = situation;
  switch (need.kind) {
    case 'attribute':
      return { ...situation, subject: { ...subject, ...assigned(need.attribute, need.value, scopeAttribute) } };
    case 'absent': {
      const rest = Object.fromEntries(Object.entries(subject).filter(([name]) => name !== need.attribute));
      const { __typename, id } = subject;
      return {
        ...situation,
        subject: { ...rest, ...(need.attribute === scopeAttribute && { scopes: [] }), __typename, id },
      };
    }
    case 'grant':
      return { ...situation, grants: [...grants, { role: need.role, scope: need.scope }] };
    case 'principal':
      return { ...situation, principal: { ...principal, [need.name]: need.value } };
    case 'field':
      return { ...situation, field: need.field };
    default:
      return situation;
  }
}

/** A record carries its scope and every scope above it. */
function assigned(attribute: string, value: unknown, scopeAttribute: string | undefined): Record<string, unknown> {
  if (attribute !== scopeAttribute) return { [attribute]: value };
  const segments = typeof value === 'string' ? value.split('/') : [];
  return { [attribute]: value, scopes: segments.map((_, at) => segments.slice(0, at + 1).join('/')) };
}

/** `owner would have to be "p1"` */
export function describeNeed(need: Need): string {
  switch (need.kind) {
    case 'attribute':
      return `${need.attribute} would have to be ${JSON.stringify(need.value)}`;
    case 'absent':
      return `${need.attribute} would have to be missing`;
    case 'grant':
      return `the role ${need.role} would have to be granted ${need.scope === null ? 'everywhere' : `at ${need.scope}`}`;
    case 'principal':
      return `the principal would have to have the ${need.name} ${JSON.stringify(need.value)}`;
    case 'field':
      return `the question would have to be about the field ${need.field}`;
    default:
      return `denied by ${need.role} at ${need.rule}: ${need.reason}`;
  }
}

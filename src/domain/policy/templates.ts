import type { ScalarType } from './vocabulary.ts';
import { clip, didYouMean } from './words.ts';

/** Everything a rule may say of who acts. Closed, so that a misspelt one stops the load and never matches nothing. */
export const templateNames = ['id', 'email', 'scope', 'kind', 'sessionId'] as const;
export type TemplateName = (typeof templateNames)[number];

const fits: Record<TemplateName, readonly ScalarType['kind'][]> = {
  id: ['id', 'string'],
  email: ['string'],
  scope: ['scope'],
  kind: ['string', 'enum'],
  sessionId: ['id', 'string'],
};

/** Stands in a condition for something that is known of the principal only when a decision is made. */
export class Template {
  readonly name: TemplateName;

  constructor(name: TemplateName) {
    this.name = name;
  }

  toString(): string {
    return `\${principal.${this.name}}`;
  }

  fits({ kind }: ScalarType): boolean {
    return fits[this.name].includes(kind);
  }
}

/** What is known of the principal; null where nothing is. */
export type TemplateValues = Readonly<Record<TemplateName, string | null>>;

export interface PrincipalFacts {
  readonly id: string;
  readonly [attribute: string]: unknown;
}

/** Only texts count: an object or a list from outside must not become part of a condition. */
export function templateValues(facts: PrincipalFacts | null | undefined): TemplateValues {
  const value = (name: TemplateName) => {
    const fact = facts !== null && facts !== undefined && Object.hasOwn(facts, name) ? facts[name] : null;
    return typeof fact === 'string' && fact !== '' ? fact : null;
  };
  return {
    id: value('id'),
    email: value('email'),
    scope: value('scope'),
    kind: value('kind'),
    sessionId: value('sessionId'),
  };
}

/** The template a text is, null for a text without one, or why it is refused. */
export function parseTemplate(text: string): Template | null | { readonly refused: string; readonly hint?: string } {
  if (!text.includes('${')) return null;
  const whole = /^\$\{\s*([A-Za-z_.$]+)\s*\}$/.exec(text)?.[1];
  if (whole === undefined)
    return { refused: `"${clip(text)}" mixes a template with text`, hint: 'a template stands alone' };
  const name = templateNames.find((known) => whole === `principal.${known}`);
  if (name !== undefined) return new Template(name);
  const known = templateNames.map((known) => `principal.${known}`);
  return {
    refused: `there is no template "${clip(text)}"`,
    hint: didYouMean(whole, known) ?? `there are ${known.join(', ')}`,
  };
}

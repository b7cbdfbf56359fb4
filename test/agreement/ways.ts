import type { Engine } from '../../src/domain/policy/engine.ts';
import type { UserPrincipal } from '../../src/domain/principals/principal.ts';
import { allows, type Model } from '../domain/policy/reference.ts';
import type { LiveAbility } from '../../src/sdk/client.ts';
import type { Services } from '../../src/api/graphql/services.ts';
import type { Actor } from './corpus.ts';
import type { Way } from './questions.ts';

/** The language said once more, of what was put in. */
export function byReference(model: Model, { principal, grants }: Actor): Way {
  return ({ subject, action, field }) =>
    allows(model, { principal, grants, action, subject: { ...subject.known, __typename: subject.type }, field });
}

/** An engine made for the occasion, of what is read back. */
export function byEngine(engine: Engine, { principal, grants }: Actor): Way {
  const ability = engine.ability(principal, grants);
  return ({ subject, action, field }) => engine.decide(ability, action, subject.stored, field).allowed;
}

/** What an instance decides by what it found in Redis; nothing where it had to read the database. */
export function byCache({ policy }: Services, by: UserPrincipal | null): Way {
  if (by === null) return () => null;
  return ({ subject, action, field }) => policy.decide(by, action, subject.stored, field).allowed;
}

/** The rules in a front end, asked about records as a page has them. */
export function byClient({ ability }: LiveAbility): Way {
  return ({ subject, action, field }) => ability.can(action, asSubject(subject.type, subject.known), field);
}

/** As docs/front-ends.md has it, of what a page has loaded. */
function asSubject(type: string, known: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { scopes, ...record } = known;
  const loaded = JSON.parse(JSON.stringify({ __typename: type, ...record })) as Record<string, unknown>;
  if (scopes === undefined) return loaded;
  const scope = type === 'Doc' ? record['place'] : record['scope'];
  const parts = typeof scope === 'string' ? scope.split('/') : [];
  return { ...loaded, scopes: parts.map((_, at) => parts.slice(0, at + 1).join('/')) };
}

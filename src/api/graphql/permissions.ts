import { isReadOnly, READ_ONLY } from '../../domain/authority/authority.ts';
import { formatPosition, sameEpoch } from '../../domain/authority/position.ts';
import { parseLogPosition } from '../../domain/outbox/event-position.ts';
import {
  dependenciesOf,
  type Principal,
  type SubjectRecord,
  type UserPrincipal,
} from '../../domain/principals/principal.ts';
import { badInput } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';
import type { CheckInput, PermissionsChanged, PermissionsEvent, Resolvers } from './generated.ts';
import { LiveSubscription } from './live-subscription.ts';

const CHECKS_MAX = 1_000;

/** Subjects whose records are kept here: what anybody says about them is not believed. */
const OWN_SUBJECTS: ReadonlySet<string> = new Set([
  'User',
  'ServiceAccount',
  'ApiKey',
  'Token',
  'Scope',
  'Role',
  'Session',
  'SigningKey',
  'Policy',
  'Analytics',
  'SystemHealth',
]);

/** What can be done to these, and changes nothing. */
const READING: ReadonlySet<string> = new Set(['read', 'introspect']);

export const permissions: Resolvers = {
  Query: {
    viewerCan: (_, check, context) => decide(check, context),

    viewerCanMany: (_, { checks }, context) => {
      if (checks.length > CHECKS_MAX) throw badInput('checks', `Ask at most ${CHECKS_MAX} questions at once.`);
      return Promise.all(checks.map((check) => decide(check, context)));
    },

    viewerAbility: (_, _args, context) => rulesOf(context.by, context),
  },

  Subscription: {
    permissionsChanged: {
      subscribe: (_, { after }, context) => {
        let sent = '';
        const push = (by: UserPrincipal, subscription: LiveSubscription<PermissionsChanged>): void => {
          const rules = rulesOf(by, context);
          const now = JSON.stringify([rules.rules, rules.policyVersion]);
          if (now === sent) return;
          sent = now;
          subscription.push({ __typename: 'PermissionsChanged', ...rules });
        };
        return LiveSubscription.open<PermissionsChanged>(context, {
          open: (subscription) => {
            const { by } = subscription;
            const rules = rulesOf(by, context);
            sent = JSON.stringify([rules.rules, rules.policyVersion]);
            const missed = missedSince(after, dependenciesOf(by), context);
            if (missed === 'unknown') subscription.push({ __typename: 'Resync', position: rules.position });
            if (missed !== 'nothing') {
              sent = '';
              push(by, subscription);
            }
            return Promise.resolve(() => {});
          },
          changed: push,
        });
      },
      resolve: (event: PermissionsEvent) => event,
    },
  },
};

/**
 * Whether something was missed; unknown of a position in another history, or in another feed. However much it was, it comes as
 * one event, which carries all that holds now: so no position is too old.
 */
export function missedSince(
  after: string | null | undefined,
  dependencies: readonly string[],
  { services: { tail } }: OperationContext,
): 'nothing' | 'something' | 'unknown' {
  if (typeof after !== 'string') return 'nothing';
  const from = parseLogPosition(after, 'after');
  if (from === null || !sameEpoch(from.epoch, tail.position.epoch)) return 'unknown';
  return tail.tombstones.touchedSince(dependencies, from.seq) ? 'something' : 'nothing';
}

function rulesOf(
  by: Principal,
  context: OperationContext,
): { rules: unknown; policyVersion: string; position: string } {
  const position = positionOf(by, context);
  if (by.kind !== 'user') return { rules: [], policyVersion: '', position };
  const { engine, ability } = by.standing;
  return { rules: engine.packedRules(ability), policyVersion: engine.version, position };
}

/** The position that an answer about this principal's rights holds at. */
function positionOf(by: Principal, { services: { tail } }: OperationContext): string {
  const { epoch, seq } = tail.position;
  return formatPosition({ epoch, seq: by.kind === 'user' ? Math.max(by.standing.asOf, seq) : seq });
}

export function refuseUnknownWords(by: Principal, action: string, subject: string, field?: string): void {
  if (by.kind !== 'user') return;
  const unknown = by.standing.engine.unknownWord(action, subject, field);
  if (unknown !== null) throw badInput(unknown.argument, unknown.message);
}

async function decide({ action, subject, id, field, attributes }: CheckInput, context: OperationContext) {
  const { by } = context;
  const { policy } = context.services;
  refuseUnknownWords(by, action, subject, field ?? undefined);
  const record =
    attributes === undefined || attributes === null
      ? await findSubject(context, subject, id ?? null)
      : describedSubject(by, subject, id ?? '', attributes);
  const made =
    record === null
      ? { ...policy.nothingThere(by), reason: `There is no such ${subject}.` }
      : policy.decide(by, action, record, field ?? undefined);
  // What is kept here is changed by no key that is good for reading alone, whatever the rules say.
  const isRefused = made.allowed && isReadOnly(by) && OWN_SUBJECTS.has(subject) && !READING.has(action);
  const decision = isRefused ? { ...made, allowed: false, reason: READ_ONLY, rule: null } : made;
  const stepUp = decision.allowed ? policy.missingProof(by, action, subject) : null;
  return { ...decision, stepUp, position: positionOf(by, context) };
}

/** A record of another subgraph, as it describes it. */
function describedSubject(
  by: Principal,
  subject: string,
  id: string,
  attributes: Readonly<Record<string, unknown>>,
): SubjectRecord {
  if (OWN_SUBJECTS.has(subject)) throw badInput('attributes', `${subject} is kept here: ask about it by its id.`);
  if (by.kind !== 'user') return { __typename: subject, id };
  const made = by.standing.engine.record(subject, id, attributes);
  if ('record' in made) return made.record;
  const wrong = made.refused
    .map(({ attribute, message, hint }) =>
      hint === undefined ? `${attribute}: ${message}` : `${attribute}: ${message} (${hint})`,
    )
    .join('; ');
  throw badInput('attributes', wrong);
}

/** The record the question is about, as far as the principal may read it. Subjects of other subgraphs are known by id alone. */
export async function findSubject(
  { loaders }: OperationContext,
  subject: string,
  id: string | null,
): Promise<SubjectRecord | null> {
  if (id === null) return { __typename: subject, id: '' };
  if (subject === 'User') return loaders.users.load(id);
  if (subject === 'ServiceAccount') return loaders.serviceAccounts.load(id);
  if (subject === 'ApiKey') return loaders.apiKeys.load(id);
  if (subject === 'Scope') return loaders.scopes.load(id);
  if (subject === 'Role') return loaders.roles.load(id);
  if (subject === 'Session') return loaders.sessions.load(id);
  return { __typename: subject, id };
}

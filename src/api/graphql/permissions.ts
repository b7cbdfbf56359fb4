import { formatPosition, parsePosition, sameEpoch } from '../../domain/authority/position.ts';
import type { Principal, SubjectRecord, UserPrincipal } from '../../domain/principals/principal.ts';
import { badInput } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';
import type { PermissionsChanged, PermissionsEvent, Resolvers } from './generated.ts';
import { LiveSubscription } from './live-subscription.ts';

export const permissions: Resolvers = {
  Query: {
    viewerCan: async (_, { action, subject, id, field }, context) => {
      const { by, policy } = context;
      refuseUnknownWords(by, action, subject, field ?? undefined);
      const record = typeof id === 'string' ? await findSubject(context, subject, id) : { __typename: subject, id: '' };
      const decision =
        record === null
          ? { ...policy.nothingThere(by), reason: `There is no such ${subject}.` }
          : policy.decide(by, action, record, field ?? undefined);
      return { ...decision, position: positionOf(by, context) };
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
            if (typeof after === 'string' && hasChangedSince(after, by.standing.dependencies, context)) {
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

/** Whether something was missed. However much it was, it comes as one event, which carries all that holds now. */
export function hasChangedSince(
  after: string,
  dependencies: readonly string[],
  { services: { tail } }: OperationContext,
): boolean {
  const { epoch, seq } = parsePosition(after, 'after');
  return !sameEpoch(epoch, tail.position.epoch) || tail.tombstones.touchedSince(dependencies, seq);
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

/** The record the question is about, as far as the principal may read it. Subjects of other subgraphs are known by id alone. */
export async function findSubject(
  { loaders }: OperationContext,
  subject: string,
  id: string,
): Promise<SubjectRecord | null> {
  if (subject === 'User') return loaders.users.load(id);
  if (subject === 'Role') return loaders.roles.load(id);
  if (subject === 'Session') return loaders.sessions.load(id);
  return { __typename: subject, id };
}

import type { Enforced } from '../../domain/authority/authority.ts';
import { POLICY_TARGET } from '../../domain/authority/log.ts';
import { formatPosition } from '../../domain/authority/position.ts';
import { describeNeed, type Need } from '../../domain/policy/needs.ts';
import type { UserPrincipal } from '../../domain/principals/principal.ts';
import { notFound } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';
import type { ApplyPolicyPayload, Need as NeedAnswer, PolicyChanged, PolicyEvent, Resolvers } from './generated.ts';
import { LiveSubscription } from './live-subscription.ts';
import { findSubject, missedSince, refuseUnknownWords } from './permissions.ts';

export const policy: Resolvers = {
  Query: {
    policy: (_, _args, { by, services }) => services.policies.inForce(by),

    explain: async (_, { principalId, action, subject, id, field }, context) => {
      const { by, services } = context;
      refuseUnknownWords(by, action, subject, field ?? undefined);
      const record = await findSubject(context, subject, id ?? null);
      if (record === null) throw notFound(subject, id ?? '');
      const question = { action, subject: record, field: field ?? undefined };
      const { decision, needs, roles, ...rules } = await services.policies.explain(by, principalId, question);
      const { allowed, reason, policyVersion } = decision;
      return { allowed, reason, policyVersion, needs: needs?.map(toNeed) ?? null, roles: [...roles], ...copied(rules) };
    },

    previewPolicy: async (_, { files }, { by, services }) => copied(await services.policies.preview(by, files)),
  },

  Mutation: {
    applyPolicy: async (_, { files, cases, expectedVersion }, { by, services: { policyChanges } }) =>
      applied(await policyChanges.apply(by, { files, cases: cases ?? [] }, expectedVersion)),

    reloadPolicy: async (_, _args, { by, services: { policyFiles } }) => applied(await policyFiles.reload(by)),

    rollbackPolicy: async (_, { version, expectedVersion }, { by, services: { policyChanges } }) =>
      applied(await policyChanges.rollback(by, version, expectedVersion)),
  },

  Subscription: {
    policyChanged: {
      subscribe: (_, { after }, context) => {
        const told = (by: UserPrincipal, { services }: OperationContext): PolicyChanged => {
          const { version } = by.standing.engine;
          services.policy.demandOpenly(by, 'read', { __typename: 'Policy', id: version });
          return { __typename: 'PolicyChanged', version, position: formatPosition(services.tail.position) };
        };
        let sent = '';
        return LiveSubscription.open<PolicyChanged>(context, {
          open: (subscription) => {
            const event = told(subscription.by, context);
            sent = event.version;
            const missed = missedSince(after, [POLICY_TARGET], context);
            if (missed === 'unknown') subscription.push({ __typename: 'Resync', position: event.position });
            if (missed !== 'nothing') subscription.push(event);
            return Promise.resolve(() => {});
          },
          changed: (by, subscription) => {
            try {
              const event = told(by, context);
              if (event.version !== sent) subscription.push(event);
              sent = event.version;
            } catch (refusal) {
              subscription.refuse(refusal);
            }
          },
        });
      },
      resolve: (event: PolicyEvent) => event,
    },
  },

  Policy: {
    roles: ({ roles }) => [...roles],
    subjects: ({ subjects }) => [...subjects],
    files: ({ files }) => [...files],
    history: async (_, _args, { by, services }) => [...(await services.policies.history(by))],
  },

  PolicyChange: {
    // Null among the fields is the record as a whole; then the others follow from it.
    fields: ({ whole, fields }) => (whole ? [] : fields.filter((field) => field !== null)),
  },
};

function applied({ value, receipt }: Enforced<string>): ApplyPolicyPayload {
  return { version: value, receipt, position: receipt.position };
}

function toNeed(need: Need): NeedAnswer {
  return { text: describeNeed(need), ...need };
}

/** GraphQL's types are mutable; what the domain gives is not, and is shared. */
function copied<T>(value: T): Mutable<T> {
  return structuredClone(value) as Mutable<T>; // a copy of plain data may be changed
}

type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;

import type { Enforced } from '../../domain/authority/authority.ts';
import type { Outcome } from '../../domain/authority/bulk.ts';
import type { Refusal } from '../../domain/refusals.ts';
import type { Grant } from '../../domain/roles/role.ts';
import type { User } from '../../domain/users/user.ts';
import type { ItemRefusal, Resolvers } from './generated.ts';

export const bulk: Resolvers = {
  Mutation: {
    grantRoles: async (_, { grants }, { by, services }) => grantResults(await services.grants.grantMany(by, grants)),

    revokeRoles: async (_, { grantIds }, { by, services }) =>
      grantResults(await services.grants.revokeMany(by, grantIds)),

    disableUsers: async (_, { ids }, { by, services }) => userResults(await services.users.disableMany(by, ids)),

    importUsers: async (_, { users }, { by, services }) => userResults(await services.userImports.add(by, users)),
  },
};

function grantResults({ value, receipt }: Enforced<readonly Outcome<Grant>[]>) {
  const results = value.map((outcome) => ({ grant: outcome.value, refusal: told(outcome.refusal) }));
  return { results, receipt, position: receipt.position };
}

function userResults({ value, receipt }: Enforced<readonly Outcome<User>[]>) {
  const results = value.map((outcome) => ({ user: outcome.value, refusal: told(outcome.refusal) }));
  return { results, receipt, position: receipt.position };
}

function told(refusal: Refusal | null): ItemRefusal | null {
  if (refusal === null) return null;
  const { code, message, data } = refusal;
  return { code, message, field: data.field ?? null, reason: data.reason ?? null, rule: data.rule ?? null };
}

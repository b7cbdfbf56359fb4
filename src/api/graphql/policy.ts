import { describeNeed, type Need } from '../../domain/policy/needs.ts';
import { notFound } from '../../domain/refusals.ts';
import type { Need as NeedAnswer, Resolvers } from './generated.ts';
import { findSubject, refuseUnknownWords } from './permissions.ts';

export const policy: Resolvers = {
  Query: {
    policy: async (_, _args, { by, policies }) => {
      const { files, roles, subjects, version } = await policies.inForce(by);
      return { version, roles: [...roles], subjects: [...subjects], files: [...files] };
    },

    explain: async (_, { principalId, action, subject, id, field }, context) => {
      const { by, policies } = context;
      refuseUnknownWords(by, action, subject, field ?? undefined);
      const record = typeof id === 'string' ? await findSubject(context, subject, id) : { __typename: subject, id: '' };
      if (record === null) throw notFound(subject, id ?? '');
      const question = { action, subject: record, field: field ?? undefined };
      const { decision, needs, roles, ...rules } = await policies.explain(by, principalId, question);
      const { allowed, reason, policyVersion } = decision;
      return { allowed, reason, policyVersion, needs: needs?.map(toNeed) ?? null, roles: [...roles], ...copied(rules) };
    },

    previewPolicy: async (_, { files }, { by, policies }) => copied(await policies.preview(by, files)),
  },

  PolicyChange: {
    // Null among the fields is the record as a whole; then the others follow from it.
    fields: ({ whole, fields }) => (whole ? [] : fields.filter((field) => field !== null)),
  },
};

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

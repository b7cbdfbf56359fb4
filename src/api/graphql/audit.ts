import { demandAll, readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

/** What a state is a part of: who did what, to what, and with what outcome. */
const TOLD = ['principalId', 'action', 'subjectType', 'subjectId', 'outcome'] as const;

export const audit: Resolvers = {
  Query: {
    auditLog: (_, args, { by, services }) => services.auditLog.list(by, args),
  },

  AuditEntry: {
    at: readField('at'),
    principalId: readField('principalId'),
    principalKind: readField('principalKind'),
    sessionId: readField('sessionId'),
    apiKeyId: readField('apiKeyId'),
    address: readField('address'),
    protocol: readField('protocol'),
    operation: readField('operation'),
    action: readField('action'),
    subjectType: readField('subjectType'),
    subjectId: readField('subjectId'),
    outcome: readField('outcome'),
    code: readField('code'),
    before: (entry, _args, context) => {
      demandAll(TOLD, entry, context);
      return entry.before;
    },
    after: (entry, _args, context) => {
      demandAll(TOLD, entry, context);
      return entry.after;
    },
    policyVersion: readField('policyVersion'),
    position: readField('position'),
    scope: readField('scope'),
  },
};

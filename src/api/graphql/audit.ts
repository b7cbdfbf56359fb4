import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

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
    policyVersion: readField('policyVersion'),
    position: readField('position'),
    scope: readField('scope'),
  },
};

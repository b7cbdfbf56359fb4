import { readFileSync, writeFileSync } from 'node:fs';
import { codegen } from '@graphql-codegen/core';
import * as typescriptPlugin from '@graphql-codegen/typescript';
import * as resolversPlugin from '@graphql-codegen/typescript-resolvers';
import { parse } from 'graphql';
import { readSchemaText } from '../src/api/graphql/sdl.ts';

const OUTPUT = new URL('../src/api/graphql/generated.ts', import.meta.url);

/** The types of all resolvers, from the SDL. Records of the domain stand behind the types of the same name. */
export async function generate(): Promise<string> {
  const config = {
    useTypeImports: true,
    enumsAsTypes: true,
    strictScalars: true,
    federation: true,
    // An argument with a default is always there.
    avoidOptionals: { defaultValue: true },
    contextType: './context.ts#OperationContext',
    scalars: {
      DateTime: 'string',
      PackedRules: 'unknown',
      AttributeValue: 'unknown',
      Metadata: 'unknown',
      Attributes: 'Readonly<Record<string, unknown>>',
      _Any: 'unknown',
      _FieldSet: 'string',
      FieldSet: 'string',
    },
    mappers: {
      User: '../../domain/users/user.ts#User as UserRecord',
      ServiceAccount: '../../domain/service-accounts/service-account.ts#ServiceAccount as ServiceAccountRecord',
      ApiKey: '../../domain/api-keys/api-key.ts#ApiKey as ApiKeyRecord',
      Scope: '../../domain/scopes/scope.ts#Scope as ScopeRecord',
      Role: '../../domain/roles/role.ts#Role as RoleRecord',
      Grant: '../../domain/roles/role.ts#Grant as GrantRecord',
      Permission: '../../domain/roles/effective-permissions.ts#Permission as PermissionRecord',
      PermissionSource: '../../domain/roles/effective-permissions.ts#PermissionSource as PermissionSourceRecord',
      Policy: '../../domain/policy/policies.ts#PolicyInForce as PolicyRecord',
      PolicyChange: '../../domain/policy/diff.ts#PolicyChange as PolicyChangeRecord',
      PermissionAnalytics:
        '../../domain/analytics/permission-analytics.ts#PermissionReport as PermissionAnalyticsRecord',
      SessionAnalytics: '../../domain/sessions/session-analytics.ts#SessionReport as SessionAnalyticsRecord',
      SystemHealth: '../../domain/health/system-health.ts#SystemReport as SystemHealthRecord',
      InstanceHealth: '../../domain/health/system-health.ts#InstanceHealth as InstanceHealthRecord',
      AuthenticationAnalytics:
        '../../domain/analytics/authentication-analytics.ts#AuthenticationReport as AuthenticationAnalyticsRecord',
      ActivityAnalytics:
        '../../domain/authentication/activity-analytics.ts#ActivityAnalyticsReport as ActivityAnalyticsRecord',
      SigningKey: '../../domain/tokens/signing-keys.ts#SigningKeyRecord as SigningKeyRecord',
      Session: '../../domain/sessions/session.ts#Session as SessionRecord',
      SecurityEvent: '../../domain/security/security-event.ts#SecurityEvent as SecurityEventRecord',
      AuditEntry: '../../domain/audit/entry.ts#AuditRecord as AuditRecord',
      SessionRevoked: './session-events.ts#RevokedSession as RevokedSession',
    },
  };
  return codegen({
    filename: 'generated.ts',
    schema: parse(readSchemaText()),
    documents: [],
    config,
    plugins: [{ typescript: {} }, { resolvers: {} }],
    pluginMap: { typescript: typescriptPlugin, resolvers: resolversPlugin },
  });
}

if (import.meta.main) {
  const before = readFileSync(OUTPUT, { encoding: 'utf8', flag: 'a+' });
  const after = await generate();
  if (after !== before) writeFileSync(OUTPUT, after);
}

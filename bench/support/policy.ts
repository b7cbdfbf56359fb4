import type { PolicyFile } from '../../src/domain/policy/parse.ts';
import type { Child } from './child.ts';
import { type Administrator, ask } from './client.ts';

interface InForce {
  readonly version: string;
  readonly files: readonly PolicyFile[];
}

export async function policyInForce({ url }: Child, { token }: Administrator): Promise<InForce> {
  const { policy } = await ask<{ policy: InForce }>(url, '{ policy { version files { path text } } }', {}, token);
  return policy;
}

export interface Applied {
  readonly version: string;
  readonly receipt: {
    readonly enforced: boolean;
    readonly instances: number;
    readonly acknowledged: number;
    readonly waitedMs: number;
  };
}

/** Puts these files in force in place of that version. */
export async function applyPolicy(
  { url }: Child,
  { token }: Administrator,
  files: readonly PolicyFile[],
  expectedVersion: string,
): Promise<Applied> {
  const { applyPolicy } = await ask<{ applyPolicy: Applied }>(
    url,
    `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
      applyPolicy(files: $files, expectedVersion: $expectedVersion) {
        version receipt { enforced instances acknowledged waitedMs }
      }
    }`,
    { files, expectedVersion },
    token,
  );
  return applyPolicy;
}

/** The policy in force with one more file. */
export async function addPolicyFile(castellan: Child, administrator: Administrator, file: PolicyFile): Promise<void> {
  const { version, files } = await policyInForce(castellan, administrator);
  await applyPolicy(castellan, administrator, [...files, file], version);
}

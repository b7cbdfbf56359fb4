import { filesRefusedForEverybody } from '../domain/roles/everybody.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';

/** What production refuses of the policy files in this folder; of one that cannot be read, nothing. */
export async function policyForEverybody(folder: string): Promise<readonly string[]> {
  return filesRefusedForEverybody(await readPolicyFiles(folder).catch(() => []));
}

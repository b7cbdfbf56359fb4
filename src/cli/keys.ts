import { readConfig } from '../config.ts';
import { resignAnchor } from '../domain/audit/retention.ts';
import { resealApiKeys } from '../domain/api-keys/reseal-keys.ts';
import { resealFactors } from '../domain/authentication/reseal-factors.ts';
import { resealSigningKeys, type SigningKeyRecord } from '../domain/tokens/signing-keys.ts';
import { createStore } from '../drivers/postgres/store.ts';
import { Keys } from '../kit/secret.ts';
import { Undertaking } from '../kit/undertaking.ts';
import type { Environment } from './environment.ts';
import { Endpoint } from './endpoint.ts';
import { Misuse, type Report } from './report.ts';
import { withDatabase } from './with-database.ts';

const FIELDS = '{ id state createdAt signsFrom verifiesUntil }';
const LIST = `{ signingKeys ${FIELDS} }`;
const ROTATE = `mutation { changed: rotateSigningKey { signingKey ${FIELDS} receipt { enforced } } }`;
const REVOKE = `mutation ($kid: ID!) { changed: revokeSigningKey(kid: $kid) { signingKey ${FIELDS} receipt { enforced } } }`;

type Key = Pick<SigningKeyRecord, 'id' | 'state' | 'createdAt' | 'signsFrom' | 'verifiesUntil'>;

interface Changed {
  readonly changed: { readonly signingKey: Key; readonly receipt: { readonly enforced: boolean } };
}

/** `castellan keys list`: the keys that sign access tokens, the one that signs last first. */
export async function listKeys({ endpoint }: { readonly endpoint: string }, env: Environment): Promise<Report> {
  const { signingKeys } = await asking(endpoint, env).ask<{ signingKeys: readonly Key[] }>(LIST, {});
  return { ok: true, lines: signingKeys.map(lineOf), facts: { signingKeys } };
}

/** `castellan keys rotate`: a new key, which signs once everybody can have seen it. */
export async function rotateKey({ endpoint }: { readonly endpoint: string }, env: Environment): Promise<Report> {
  return told(await asking(endpoint, env).ask<Changed>(ROTATE, {}));
}

/** `castellan keys revoke`: no token that this key signed is accepted any more. */
export async function revokeKey(
  kid: string,
  { endpoint }: { readonly endpoint: string },
  env: Environment,
): Promise<Report> {
  return told(await asking(endpoint, env).ask<Changed>(REVOKE, { kid }));
}

/** `castellan keys reseal`: what was sealed under a previous KEY_ENCRYPTION_KEY or algorithm is sealed under the current ones. */
export async function resealKeys(env: Environment): Promise<Report> {
  const { databaseUrl, preparedStatements, keyEncryptionKeys, sealing } = readConfig(env);
  if (databaseUrl === null) throw new Misuse('DATABASE_URL must name the database that has the keys');
  if (keyEncryptionKeys === null)
    throw new Misuse('KEY_ENCRYPTION_KEY must be the new secret and the previous one: new,previous');
  const keys = new Keys(keyEncryptionKeys, sealing);
  return withDatabase({ url: databaseUrl, poolMax: 1, preparedStatements }, async (database) => {
    const store = createStore(database);
    const circumstances = { protocol: 'cli', address: null, operation: () => 'keys reseal' };
    const count = await new Undertaking(circumstances).run(() =>
      resealSigningKeys(store, (sealed, kid) => {
        const opened = keys.open('signing-keys', sealed, kid);
        return opened === null ? null : keys.seal('signing-keys', opened, kid);
      }),
    );
    const factors = await resealFactors(store, keys);
    const apiKeys = await resealApiKeys(store, keys);
    await resignAnchor(store, keys);
    const line = `${count} signing keys, the second factors of ${factors} users and ${apiKeys} API keys are sealed under the current secret.`;
    return { ok: true, lines: [line], facts: { resealed: count, secondFactors: factors, apiKeys } };
  });
}

const asking = (url: string, env: Environment): Endpoint =>
  new Endpoint(url, env, 'change signing keys everywhere, such as an administrator');

function told({ changed: { signingKey, receipt } }: Changed): Report {
  const lines = [lineOf(signingKey)];
  if (!receipt.enforced) lines.push('Committed, but not yet confirmed by every instance. The same again waits for it.');
  return { ok: receipt.enforced, lines, facts: { signingKey, enforced: receipt.enforced } };
}

const lineOf = ({ id, state, signsFrom, verifiesUntil }: Key): string =>
  `${state.padEnd(9)}  ${id}  signs from ${signsFrom}${verifiesUntil === null ? '' : `, good until ${verifiesUntil}`}`;

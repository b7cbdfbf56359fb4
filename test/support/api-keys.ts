import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { askingOn, INSTANCES, onEveryInstance } from './asking.ts';
import { type Answer, type Castellans, codesOf, type SignedInUser } from './castellan.ts';
import { addGrant } from './people.ts';

const KEY = 'id prefix permissions';
const RECEIPT = 'receipt { enforced instances acknowledged } position';
export const CREATE_KEY = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { apiKey { ${KEY} } secret position }
}`;
export const UPDATE_KEY = `mutation ($id: ID!, $input: UpdateApiKeyInput!) {
  updateApiKey(id: $id, input: $input) { apiKey { ${KEY} } ${RECEIPT} }
}`;
export const ROTATE_KEY = `mutation ($id: ID!, $overlapSeconds: Int!) {
  rotateApiKey(id: $id, overlapSeconds: $overlapSeconds) { apiKey { ${KEY} } secret ${RECEIPT} }
}`;
export const REVOKE_KEY = `mutation ($id: ID!) { revokeApiKey(id: $id) { apiKey { ${KEY} } ${RECEIPT} } }`;

export interface KeyData {
  readonly id: string;
  readonly prefix: string;
}

export interface Issued {
  readonly apiKey: KeyData;
  readonly secret: string;
}

/** What an answer came to: its status and the codes of its errors. */
export type Came = readonly [number, ...unknown[]];

export const came = (answer: Pick<Answer, 'status' | 'errors'>): Came => [answer.status, ...codesOf(answer)];

/** Let in, or refused, on each instance. */
export const IN: readonly Came[] = INSTANCES.map(() => [200]);
export const outWith = (status: number, code: string): readonly Came[] => INSTANCES.map(() => [status, code]);

/** What tests of API keys do, on Castellans that are started later. */
export function apiKeysOn(castellans: () => Castellans, administrator: () => SignedInUser) {
  const asking = askingOn(castellans, administrator);

  /** A key of whoever asks, or of a service account. */
  const createKey = (by: SignedInUser, input: object = {}): Promise<Issued> =>
    asking.done<Issued>(CREATE_KEY, { input: { name: 'a key', ...input } }, { by });

  /** Asks with a key. */
  const withKey = <T>(
    secret: string,
    query: string,
    { variables = {}, instance = 0, headers = {} }: { variables?: object; instance?: number; headers?: object } = {},
  ): Promise<Answer<T>> =>
    castellans().ask<T>(query, { variables, instance, headers: { 'x-api-key': secret, ...headers } });

  const onEvery = (secret: string, query = '{ me { id } }', headers: object = {}): Promise<readonly Came[]> =>
    onEveryInstance(async (instance) => came(await withKey(secret, query, { instance, headers })));

  /** A service account that holds these roles everywhere; its id. */
  async function addAccount(name: string, roles: readonly string[] = [], scope: string | null = null): Promise<string> {
    const [app] = castellans().apps;
    if (app === undefined) throw new TypeError('nothing was started');
    const { value } = await app.services.serviceAccounts.create(SYSTEM, { name, scope });
    for (const role of roles) await addGrant(app, { principalId: value.id, role });
    return value.id;
  }

  /** What is pending of uses is written. */
  const usesWritten = (): Promise<unknown> =>
    Promise.all(castellans().apps.map(({ services }) => services.keyUses.flush()));

  return { ...asking, createKey, withKey, onEvery, addAccount, usesWritten };
}

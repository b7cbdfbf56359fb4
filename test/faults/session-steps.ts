import { setTimeout as pause } from 'node:timers/promises';
import { ask } from './clients.ts';
import type { Instance } from './cluster.ts';

const READY_MS = 20_000;

/** Resolves when every instance may decide again. */
export async function untilReady(instances: readonly Instance[]): Promise<void> {
  const givesUpAtMs = performance.now() + READY_MS;
  const isReady = async ({ url }: Instance) => (await fetch(`${url}/health/ready`)).ok;
  while (!(await Promise.all(instances.map(isReady))).every(Boolean)) {
    if (performance.now() > givesUpAtMs) throw new Error(`not all instances were ready within ${READY_MS} ms`);
    await pause(20);
  }
}

/** What a token of a session is answered with. */
export async function codesOfReplay(
  { url }: Instance,
  { accessToken, refreshToken }: { readonly accessToken?: string; readonly refreshToken?: string },
): Promise<readonly string[]> {
  if (accessToken !== undefined) return (await ask(url, '{ me { id } }', { token: accessToken })).codes;
  const query = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
  return (await ask(url, query, { variables: { token: refreshToken } })).codes;
}

export interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** The tokens that a refresh token is answered with. */
export async function rotate({ url }: Instance, refreshToken: string): Promise<Pair> {
  const query = `mutation ($token: String!) { done: refreshSession(refreshToken: $token) { accessToken refreshToken } }`;
  const { data, codes } = await ask(url, query, { variables: { token: refreshToken } });
  if (data === null) throw new Error(`the session could not be refreshed: ${codes.join(', ')}`);
  return data['done'] as Pair; // the answer to what was asked
}

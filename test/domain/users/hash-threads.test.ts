import { argon2Sync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { argon2id, endIdleThreads } from '../../../src/kit/argon2.ts';
import { threads, untilNoneHashes } from '../../support/threads.ts';

const parameters = (message: string) => ({
  message: Buffer.from(message),
  nonce: Buffer.alloc(16, message),
  memory: 64,
  passes: 2,
  parallelism: 1,
  tagLength: 32,
});

test('hashes at once are each the hash of their own message', async () => {
  const messages = Array.from({ length: 20 }, (_, n) => parameters(`message ${n}`));
  const tags = await Promise.all(messages.map((each) => argon2id(each)));
  expect(tags).toEqual(messages.map((each) => argon2Sync('argon2id', each)));
});

test('threads that hash give way to all others', async () => {
  await Promise.all([argon2id(parameters('one')), argon2id(parameters('two'))]);
  const all = await threads();
  const hashing = all.filter(({ name }) => name === 'argon2');
  expect(hashing.length).toBeGreaterThanOrEqual(2);
  expect(hashing.every(({ nice }) => nice === 5)).toBe(true);
  expect(all.filter(({ name }) => name !== 'argon2').every(({ nice }) => nice === 0)).toBe(true);
});

test('what cannot be hashed is refused, and the next is hashed', async () => {
  await expect(argon2id({ ...parameters('x'), passes: 0 })).rejects.toThrow('passes');
  expect(await argon2id(parameters('y'))).toEqual(argon2Sync('argon2id', parameters('y')));
});

test('those that nobody needs end when they are told to, one that hashes does not, and the next hash is right', async () => {
  await Promise.all([argon2id(parameters('one')), argon2id(parameters('two'))]);
  const hashing = argon2id(parameters('three'));
  await endIdleThreads();
  expect(await hashing).toEqual(argon2Sync('argon2id', parameters('three')));
  await endIdleThreads();
  await untilNoneHashes();
  expect(await argon2id(parameters('four'))).toEqual(argon2Sync('argon2id', parameters('four')));
});

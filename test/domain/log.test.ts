import { expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';

const NAMES = ['password', 'accessToken', 'refreshToken', 'authorization', 'cookie', 'secret', 'email', 'token'];

/** What a log with these facts in it wrote. */
function written(facts: object): string {
  const out = new PassThrough();
  createLog('debug', out).info(facts, 'something was done');
  return String(out.read());
}

test.each(NAMES)('a %s that reaches a log by accident is not in it', (name) => {
  for (const facts of [
    { [name]: 'canary' },
    { input: { [name]: 'canary' } },
    { request: { body: { [name]: 'canary' } } },
  ]) {
    const line = written({ ...facts, id: 'usr_1' });
    expect(line).toContain('[redacted]');
    expect(line).toContain('usr_1');
    expect(line).not.toContain('canary');
  }
});

test('a value that is a secret is in no log, whatever it is called', () => {
  const line = written({ key: new Secret('canary'), in: { a: { list: [new Secret('canary')] } } });
  expect(line).toContain('[secret]');
  expect(line).not.toContain('canary');
});

import { describe, expect, test } from '@jest/globals';
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

describe('an error', () => {
  const line = (err: unknown) => JSON.parse(written({ err })) as { readonly err: Readonly<Record<string, unknown>> };

  test('is told with what it is, where it was thrown and by what', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', port: 5432 });
    const { err } = line(new TypeError('this is no token', { cause }));
    expect(err).toMatchObject({
      type: 'TypeError',
      message: 'this is no token',
      stack: expect.stringContaining('log.test.ts'),
      causes: [{ message: 'connect ECONNREFUSED', code: 'ECONNREFUSED', port: 5432 }],
    });
  });

  test('of PostgreSQL tells nothing of the row that it refused', () => {
    const error = Object.assign(
      new Error('new row violates "users_check"\n - detail: Failing row contains (user_1, canary@example.com).'),
      {
        code: '23514',
        detail: 'Failing row contains (canary)',
        where: 'canary',
        parameters: ['canary'],
        table: 'users',
      },
    );
    expect(line(error).err).toMatchObject({ message: 'new row violates "users_check"', code: '23514', table: 'users' });
    const value = Object.assign(new Error('invalid input syntax for type integer: "canary"'), { code: '22P02' });
    expect(line(value).err).toMatchObject({ message: 'invalid input syntax for type integer: …', code: '22P02' });
    for (const each of [error, value, new Error('outer', { cause: error })]) {
      expect(written({ err: each })).not.toContain('canary');
    }
  });

  test('of JSON repeats nothing of the text that is none', () => {
    try {
      JSON.parse('{"password": "canary');
    } catch (error) {
      expect(written({ err: error })).not.toContain('canary');
      expect(line(error).err['type']).toBe('SyntaxError');
    }
    expect.assertions(2);
  });

  test('that is none is told by its kind alone', () => {
    expect(line({ password: 'canary' }).err).toBe('Object');
  });
});

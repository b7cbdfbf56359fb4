import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Refusal } from '../../src/domain/refusals.ts';
import {
  codesOf,
  createTestClock,
  recordStatements,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { forgedTokens, stolen, type ForgedToken, type Genuine } from '../support/forged-tokens.ts';
import { type Door, doorsOf } from './doors.ts';

/** What is shown as an access token and is none, or none any more. */

const CASES = Number(process.env['TOKEN_CASES'] ?? 20_000);
const SEED = Number(process.env['TOKEN_SEED'] ?? 1);
const OVER_HTTP = 1_000;
const OVER_STREAMS = 300;
const ME = '{ me { id } }';
const ENTITY = `query ($id: ID!) {
  _entities(representations: [{ __typename: "User", id: $id }]) { ... on User { id email } }
}`;
const REFUSED = new Set(['UNAUTHENTICATED', 'TOKEN_EXPIRED', 4401, 4403]);

const clock = createTestClock();
let castellans: Castellans;
let doors: readonly Door[];
let bob: SignedInUser;
let genuine: Genuine;

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  doors = doorsOf(castellans);
  bob = await castellans.signUp('bob');
  genuine = await stolen(castellans, bob.accessToken);
});

afterAll(() => castellans.close());

/** The next so many of them; over HTTP a header holds no others than these. */
function take(
  tokens: Iterator<ForgedToken, void>,
  count: number,
  fits: (token: ForgedToken) => boolean = () => true,
): ForgedToken[] {
  const taken: ForgedToken[] = [];
  while (taken.length < count) {
    const { value } = tokens.next();
    if (value !== undefined && fits(value)) taken.push(value);
  }
  return taken;
}

const fitsHeader = ({ token }: ForgedToken): boolean => /^[!-~]+$/.test(token) && token.length < 12_000;

describe('AC-20, AC-21, AC-22, AC-23, AC-24, AC-26, AC-28, AC-31: a token that is not exactly one of ours', () => {
  test(
    `is refused by every instance, ${CASES} times, with no look-up in the database and nothing kept of it`,
    async () => {
      const collectGarbage = garbageCollector();
      const heapUsed = (): number => {
        collectGarbage();
        return process.memoryUsage().heapUsed;
      };
      const tokens = forgedTokens(genuine, SEED);
      const identifications = castellans.apps.map(({ services }) => services.identification);
      const wrong: object[] = [];
      const kinds = new Set<string>();
      const show = async (count: number) => {
        for (let n = 0; n < count; n += 1) {
          const [forged] = take(tokens, 1);
          if (forged === undefined) throw new TypeError('they are endless');
          kinds.add(forged.how);
          const outcome = await identifications[n % 3]?.identify({ kind: 'accessToken', token: forged.token }).then(
            ({ kind }) => kind,
            (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
          );
          if (!REFUSED.has(String(outcome))) wrong.push({ ...forged, outcome });
          if (wrong.length > 10) return;
        }
      };
      const recorded = recordStatements(castellans.apps);
      await show(CASES / 4);
      const before = heapUsed();
      await show(CASES - CASES / 4);
      const grown = heapUsed() - before;
      recorded.stop();

      expect(wrong).toEqual([]);
      expect(kinds.size).toBeGreaterThan(40);
      // The polls of the log and what is written behind go on by themselves.
      // What is written behind goes on meanwhile.
      expect(recorded.names.filter((name) => name !== 'a transaction')).toEqual([]);
      // A thousand of them kept would be more than that.
      expect(grown).toBeLessThan(2 ** 20 * 8);
      for (const identification of identifications) {
        expect(await identification.identify({ kind: 'accessToken', token: bob.accessToken })).toMatchObject({
          id: bob.id,
        });
      }
    },
    Math.max(60_000, CASES * 2),
  );

  test(`is refused over HTTP, ${OVER_HTTP} times, with 4xx and the same words whatever is wrong with it`, async () => {
    const forged = take(forgedTokens(genuine, SEED + 1), OVER_HTTP, fitsHeader);
    const answers = await inParallel(forged, ({ token }, n) => castellans.ask(ME, { token, instance: n % 3 }));
    const wrong = answers.flatMap((answer, n) =>
      answer.status === 401 && answer.data === null && REFUSED.has(codesOf(answer)[0] as string)
        ? []
        : [{ ...forged[n], status: answer.status, errors: answer.errors }],
    );
    expect(wrong).toEqual([]);
    const messages = new Set(answers.flatMap(({ errors }) => errors.map(({ message }) => message)));
    expect([...messages].filter((message) => !message.startsWith('The access token has expired'))).toEqual([
      'This access token is not valid. Sign in to get one.',
    ]);
  }, 60_000);

  test(`is refused over WebSockets, event streams, GET and _entities, ${OVER_STREAMS} times`, async () => {
    const others = doors.filter(({ name }) => !name.startsWith('POST'));
    const forged = take(forgedTokens(genuine, SEED + 2), OVER_STREAMS, fitsHeader);
    const answers = await inParallel(forged, async ({ token }, n) => {
      const door = others[n % others.length];
      return { door: door?.name, token, seen: await door?.ask(n % 2 === 0 ? ME : ENTITY, { id: bob.id }, token) };
    });
    const wrong = answers.filter(({ seen }) => seen?.data !== null || !REFUSED.has(seen.codes[0] as string));
    expect(wrong).toEqual([]);
    expect(new Set(answers.map(({ door }) => door)).size).toBe(others.length);
  }, 60_000);

  test('AC-24: makes nobody fetch anything', async () => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number }; // it listens on TCP
    const url = `http://127.0.0.1:${port}/keys`;
    const brought = take(forgedTokens(genuine, SEED, url), 30, ({ how }) => how === 'a key');
    for (const [n, { token }] of brought.entries()) {
      const seen = await doors[n % doors.length]?.ask(ME, {}, token);
      expect(seen?.data).toBeNull();
    }
    await new Promise((resolve) => listener.close(resolve));
    expect(connections).toBe(0);
  });
});

test('a token that is spelt as ours and signed by our key is taken through every door: what is refused above is refused for what it says', async () => {
  const token = genuine.signed(JSON.stringify(genuine.header), JSON.stringify({ ...genuine.payload, jti: 'another' }));
  for (const door of doors) {
    expect({ door: door.name, data: (await door.ask(ME, {}, token)).data }).toEqual({
      door: door.name,
      data: { me: { id: bob.id } },
    });
  }
});

test('AC-28: the twin that every ECDSA signature has speaks for the same session, and ends with it', async () => {
  const carol = await castellans.signUp('carol');
  const twin = twinOf(carol.accessToken);
  expect(twin).not.toBe(carol.accessToken);
  for (const door of doors) expect((await door.ask(ME, {}, twin)).data).toEqual({ me: { id: carol.id } });
  await castellans.ask('mutation { signOut { position } }', { token: carol.accessToken });
  for (const door of doors) {
    for (const token of [twin, carol.accessToken]) {
      const { data, codes } = await door.ask(ME, {}, token);
      expect({ door: door.name, data, revoked: ['SESSION_REVOKED', 4401].includes(codes[0] as string) }).toEqual({
        door: door.name,
        data: null,
        revoked: true,
      });
    }
  }
});

test('AC-32: rights that a token claims for itself are none, through any door', async () => {
  const payload = { ...genuine.payload, scope: 'administrator', roles: ['administrator'], isAdmin: true };
  const token = genuine.signed(JSON.stringify(genuine.header), JSON.stringify(payload));
  for (const door of doors) {
    const { data, codes } = await door.ask('{ signingKeys { id } }', {}, token);
    expect({ door: door.name, data, codes }).toEqual({ door: door.name, data: null, codes: ['FORBIDDEN'] });
  }
});

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other signature (r, n − s) that anybody can make of one over P-256. */
function twinOf(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  bytes.write(s.toString(16).padStart(64, '0'), 32, 'hex');
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}

/** A few at a time, and what came of each in their order. */
async function inParallel<T, R>(items: readonly T[], work: (item: T, n: number) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      for (const [n, item] of queue) results[n] = await work(item, n);
    }),
  );
  return results;
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../../examples/gateways/running.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { RAISED } from '../../src/domain/security/security-event.ts';
import { WebhookShipment } from '../../src/domain/security/webhook.ts';
import { Shipper } from '../../src/domain/shipping.ts';
import { openWebhook } from '../../src/drivers/http/webhook.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { newId } from '../../src/kit/ids.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { changedThresholds } from '../../src/kit/thresholds.ts';
import { examine } from '../../src/cli/doctor.ts';
import { castellan, node } from '../cli/running.ts';
import {
  type Castellans,
  createTestClock,
  instanceOf,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { createStillClock } from '../support/still-clock.ts';

/** That security events reach whoever is to be told of them: signed, in order, at least once, and by one instance at a time. */

jest.setTimeout(60_000);

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BEFORE = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
interface Message {
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly id: string; readonly kind: string; readonly userId: string; readonly address: string };
}

const clock = createTestClock();
let castellans: Castellans;
let receiver: Server;
let alice: SignedInUser;
let bob: SignedInUser;
const log = recordedLog();
let taken: Taken[] = [];
let answers: (n: number, message: Message) => number | 'silence' = () => 204;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const status = answers(taken.length, JSON.parse(body) as Message);
      // What it answers wrongly it may have taken as well.
      taken.push({ headers: request.headers, body });
      if (status !== 'silence') response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  const securityWebhook = { url: urlOf(receiver), secret: new Secret(`${SECRET},${BEFORE}`) };
  const securityThresholds = changedThresholds('read.denied=3/5m');
  castellans = await startCastellans(3, { clock, settings: { securityWebhook, securityThresholds } });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(async () => {
  await castellans?.close();
  receiver.closeAllConnections();
  receiver.close();
});

afterEach(async () => {
  answers = () => 204;
  await ship();
  taken = [];
  await free();
});

/** Whoever was the last to send would be so for a minute. */
const free = () => castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);

const urlOf = (server: Server) => new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/events`);

/** One more that sends, for an instance of its own. */
function aShipper(shipment = aShipment(), by: Clock = clock, logger = createLog('silent')): Shipper {
  return new Shipper({ store: aStore(), shipment, clock: by, logger });
}

function aShipment(): WebhookShipment {
  const webhook = openWebhook({ url: urlOf(receiver), secret: new Secret(`${SECRET},${BEFORE}`), clock });
  return new WebhookShipment({ store: aStore(), webhook, clock, logger: log.logger });
}

const aStore = () => createStore(instanceOf(castellans, 0).database);

const drain = () => castellans.apps[0]?.services.drainer.drain();
const messages = (): readonly Message[] => taken.map(({ body }) => JSON.parse(body) as Message);
const ids = (): readonly string[] => messages().map(({ data }) => data.id);

/** From here on only those of the tests send. */
async function stopShippers(): Promise<void> {
  const shippers = castellans.apps.flatMap(({ services }) => services.shippers);
  await Promise.all(shippers.map(({ rounds }) => rounds.stop()));
}

async function ship(): Promise<void> {
  await drain();
  await aShipper().ship();
}

/** Events of one kind, as whoever notices one writes it; their ids. */
async function raise(count: number): Promise<readonly string[]> {
  const raised = Array.from({ length: count }, () => newId('securityEvent'));
  for (const id of raised) {
    await castellans.rows(
      `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
       values ($1, now(), 'sign_in.failures', 'warning', $2, '', '{"address": "203.0.113.9", "count": 10}', $1)`,
      id,
      bob.id,
    );
  }
  await drain();
  return raised;
}

const signatureWith = (secret: string, { headers, body }: Taken): string => {
  const signed = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.');
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
};

test('an event that somebody causes is sent without anybody asking, once by three instances', async () => {
  for (const instance of [0, 1, 2]) {
    await castellans.ask('{ signingKeys { id } }', { token: bob.accessToken, instance });
  }
  await Promise.all(castellans.apps.map(({ services }) => services.detectors.flush()));
  await until(() => {
    clock.advance(1_000);
    return taken.length > 0;
  });
  await stopShippers();
  expect(messages()).toMatchObject([
    {
      type: RAISED,
      data: { kind: 'read.denied', severity: 'warning', userId: bob.id, address: '127.0.0.1', count: 3 },
    },
  ]);
  expect(messages()[0]?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  const text = await castellans.apps[0]?.metrics.render();
  expect(text).toMatch(/^castellan_shipping_failing_seconds\{receiver="security_webhook"\} 0$/m);
});

test('every event is sent in order, and once by three that all try', async () => {
  const raised = await raise(12);
  await Promise.all([aShipper(), aShipper(), aShipper()].map((shipper) => shipper.ship()));
  expect(ids()).toEqual(raised);
});

test('each is signed with the secret and the one before it, for its id and its time', async () => {
  const [id = ''] = await raise(1);
  await ship();
  const [one] = taken;
  expect(one?.headers['webhook-id']).toBe(id);
  expect(Math.abs(Number(one?.headers['webhook-timestamp']) - clock.now() / 1_000)).toBeLessThan(10);
  expect(one?.headers['webhook-signature']).toBe(
    [SECRET, BEFORE].map((secret) => signatureWith(secret, one ?? { headers: {}, body: '' })).join(' '),
  );
  expect(one?.headers['content-type']).toBe('application/json');
});

test('the signature is that of the standard’s own example', async () => {
  const example = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' };
  const at = { ...systemClock, now: () => 1_614_265_330_000 };
  await openWebhook({ url: urlOf(receiver), secret: new Secret(SECRET), clock: at }).send(example);
  expect(taken[0]?.headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

describe('what the receiver does not take', () => {
  test('is sent again by the same id, before anything that came after it', async () => {
    const raised = await raise(3);
    answers = (n) => [204, 503, 302][n] ?? 204;
    const ours = aShipper();
    await expect(ours.ship()).rejects.toThrow('the webhook of security events answered with 503');
    await expect(ours.ship()).rejects.toThrow();
    await ours.ship();
    const [one, two, three] = raised;
    expect(ids()).toEqual([one, two, two, two, three]);
  });

  test('waits for twice as long each time, up to half a minute, and says since when; the log says so once', async () => {
    await raise(1);
    // What a slow machine takes would be waited for as well.
    const still = createStillClock();
    const { logger, lines } = recordedLog();
    const ours = aShipper(aShipment(), still, logger);
    const triedAt: number[] = [];
    let second = 0;
    answers = () => {
      triedAt.push(second);
      return 500;
    };
    const pass = async (seconds: number): Promise<void> => {
      for (const end = second + seconds; second < end;) {
        second += 1;
        still.advance(1_000);
        await ours.rounds.next().catch(() => {});
      }
    };
    ours.rounds.start();
    await pass(183);
    expect(triedAt).toEqual([1, 3, 7, 15, 31, 61, 91, 121, 151, 181]);
    expect(ours.failingSeconds).toBeGreaterThan(120);
    answers = () => 204;
    await pass(60);
    await ours.rounds.stop();
    expect(ours.failingSeconds).toBe(0);
    expect(lines().map((line) => (JSON.parse(line) as { readonly msg: string }).msg)).toEqual([
      expect.stringContaining('not sent on to'),
      'what failed goes on',
    ]);
  });

  test('goes on being tried by the one instance, which so knows for how long it has failed', async () => {
    await raise(1);
    answers = () => 503;
    const both = [aShipper(), aShipper()];
    for (let seconds = 0; seconds < 400; seconds += 5) {
      clock.advance(5_000);
      // The clock of the database, by which it is somebody's turn.
      await castellans.rows(`update audit_sinks set held_until = held_until - interval '5 seconds'`);
      for (const { rounds } of both) await rounds.next().catch(() => {});
    }
    const [less = 0, more = 0] = both.map(({ failingSeconds }) => failingSeconds).toSorted((a, b) => a - b);
    expect([less, more > 300]).toEqual([0, true]);
    await free();
  });

  test('is left to another instance when the one that sent it has been gone for a minute', async () => {
    const raised = await raise(2);
    answers = (n) => (n === 1 ? 503 : 204);
    const [one, other] = [aShipper(), aShipper()];
    await expect(one.ship()).rejects.toThrow('503');
    await other.ship();
    expect(taken).toHaveLength(2);
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    await other.ship();
    expect(ids()).toEqual([...raised, raised[1]]);
  });

  test('within its time was not taken', async () => {
    answers = () => 'silence';
    const webhook = openWebhook({ url: urlOf(receiver), secret: new Secret(SECRET), clock, deadlineMs: 50 });
    await expect(webhook.send({ id: 'sec_1', body: '{}' })).rejects.toThrow(/timeout/);
  });
});

describe('what the receiver refuses while it takes others', () => {
  const MINUTE_MS = 60_000;
  /** Of these ids. */
  let refused: ReadonlySet<string> = new Set();
  beforeAll(stopShippers);
  beforeEach(() => {
    answers = (_, { data }) => (refused.has(data.id) ? 422 : 204);
  });
  afterEach(async () => {
    refused = new Set();
    await castellans.rows(`update security_events set facts = facts - 'refused'`);
  });

  /** As often as it takes, over so long. */
  async function tries(ours: Shipper, times: number, overMs: number): Promise<void> {
    for (let n = 0; n < times; n += 1) {
      if (n > 0) clock.advance(overMs / (times - 1));
      await ours.ship().catch(() => {});
    }
  }
  const aside = async () =>
    (
      await castellans.rows<{ id: string }>(`select id from security_events where facts->'refused'->>'aside' = 'true'`)
    ).map(({ id }) => id);
  const problems = async () => {
    await until(() => instanceOf(castellans, 0).services.tail.inForce());
    const { accessToken: token } = await castellans.signIn(alice.email);
    const { data } = await castellans.ask<{ systemHealth: { problems: readonly { name: string }[] } }>(
      '{ systemHealth { problems { name instanceId } } }',
      { token },
    );
    return data?.systemHealth.problems.filter(({ name }) => name === 'set_aside');
  };

  test('is set aside after five minutes and five times, told, and what comes after it goes on in order', async () => {
    const [one = '', two = '', three = '', ...more] = await raise(5);
    refused = new Set([two]);
    const shipment = aShipment();
    const ours = aShipper(shipment);
    await tries(ours, 4, 10 * MINUTE_MS);
    expect(ids()).toEqual([one, two, two, two, two]);
    expect(await aside()).toEqual([]);
    await ours.ship();
    // The one after it is asked with, and then it once more.
    expect(ids().slice(5)).toEqual([two, three, two, ...more]);
    expect(await aside()).toEqual([two]);
    expect(shipment.setAside).toBe(1);
    expect(log.lines().filter((line) => line.includes('was set aside'))).toEqual([expect.stringContaining(two)]);
    expect(await problems()).toEqual([{ name: 'set_aside', instanceId: null }]);
    taken = [];
    await free();
    await aShipper().ship();
    expect(ids()).toEqual([]);
  });

  test('is not before five minutes, however often it was refused', async () => {
    const [one = '', two = ''] = await raise(2);
    refused = new Set([one]);
    const ours = aShipper();
    await tries(ours, 12, 4 * MINUTE_MS);
    expect(new Set(ids())).toEqual(new Set([one]));
    expect(await aside()).toEqual([]);
    refused = new Set();
    await ours.ship();
    expect(ids().slice(12)).toEqual([one, two]);
  });

  test.each([
    ['refuses everything', 422],
    ['fails with everything', 503],
    ['has too much to do', 429],
  ])('is waited for where the receiver %s', async (_, status) => {
    const raised = await raise(4);
    answers = () => status;
    const ours = aShipper();
    await tries(ours, 8, 20 * MINUTE_MS);
    expect(await aside()).toEqual([]);
    answers = () => 204;
    taken = [];
    await ours.ship();
    expect(ids()).toEqual(raised);
  });

  test('is not set aside by a receiver that only wants it later', async () => {
    const [one = ''] = await raise(2);
    answers = (_, { data }) => (data.id === one ? 429 : 204);
    await tries(aShipper(), 8, 20 * MINUTE_MS);
    expect(new Set(ids())).toEqual(new Set([one]));
    expect(await aside()).toEqual([]);
    await free();
  });

  test('is not set aside where it is taken once the others are', async () => {
    const [one = '', two = '', three = ''] = await raise(3);
    const ours = aShipper();
    refused = new Set([one, two, three]);
    await tries(ours, 8, 20 * MINUTE_MS);
    taken = [];
    // It recovers while it is asked.
    answers = (n) => (n === 0 ? 503 : 204);
    await ours.ship();
    expect(ids()).toEqual([one, two, one, three]);
    expect(await aside()).toEqual([]);
  });

  test('are many of one kind: none of the others waits for longer than for one of them', async () => {
    const bad = await raise(15);
    refused = new Set(bad);
    const [good = ''] = await raise(1);
    const ours = aShipper();
    await tries(ours, 14, 24 * MINUTE_MS);
    expect(await aside()).toEqual(bad.slice(0, 1));
    const [another = ''] = await raise(1);
    await tries(ours, 1, 0);
    expect(await aside()).toEqual(expect.arrayContaining(bad.slice(0, 3)));
    expect(ids().filter((id) => id === good || id === another)).toEqual([good, another]);
  });

  test('is sent once more by castellan webhook resend, and castellan doctor tells of it', async () => {
    const [one = '', two = ''] = await raise(3);
    refused = new Set([one, two]);
    const ours = aShipper();
    await tries(ours, 9, 20 * MINUTE_MS);
    await raise(1);
    await ours.ship();
    expect(new Set(await aside())).toEqual(new Set([one, two]));
    taken = [];
    const env = {
      DATABASE_URL: castellans.config.databaseUrl?.reveal() ?? '',
      SECURITY_WEBHOOK_URL: urlOf(receiver).reveal(),
      SECURITY_WEBHOOK_SECRET: SECRET,
    };
    const resent = async (...args: readonly string[]) => castellan(['webhook', 'resend', ...args], env);
    const [doctor, health] = [await examine(env), await problems()];
    expect(doctor.lines.join('\n')).toContain('SECURITY_WEBHOOK_URL refused 2 security events, which were set aside');
    expect(health).toHaveLength(1);

    refused = new Set([two]);
    const some = await resent();
    expect(some).toMatchObject({ code: 1 });
    expect(some.stdout).toMatch(new RegExp(`^taken +${one} `, 'm'));
    expect(some.stdout).toMatch(new RegExp(`^refused +${two} .*answered with 422$`, 'm'));
    expect(some.stdout).toMatch(/^1 events were taken/m);
    expect(await aside()).toEqual([two]);
    const forgotten = await resent('--forget');
    expect(forgotten).toMatchObject({ code: 0, stdout: expect.stringContaining('are forgotten; none is set aside') });
    // They were raised in the same moment.
    expect(ids().toSorted()).toEqual([one, two, two].toSorted());
    expect(await aside()).toEqual([]);
    expect(await problems()).toEqual([]);
    expect((await castellan(['webhook', 'resend'], { DATABASE_URL: env.DATABASE_URL })).code).toBe(2);
  });
});

test('events among very many others are found, and what is not about security is told to nobody', async () => {
  const [first] = await raise(1);
  await castellans.rows(
    `insert into outbox (kind, subject_id, user_id, at) select 'session.started', 'sess_x', null, now() from generate_series(1, 10500)`,
  );
  const [last] = await raise(1);
  await ship();
  expect(ids()).toEqual([first, last]);
});

test('a webhook that is said to have more than there is, is told of, and is passed over by nothing', async () => {
  const [before] = await castellans.rows<{ seq: string }>(
    `select seq from audit_sinks where name = 'security_webhook'`,
  );
  await castellans.rows(`update audit_sinks set seq = 9007199254740000 where name = 'security_webhook'`);
  const raised = await raise(1);
  await expect(aShipper().ship()).rejects.toThrow('the last is');
  await castellans.rows(`update audit_sinks set seq = $1::bigint where name = 'security_webhook'`, before?.seq);
  await free();
  await ship();
  expect(ids()).toEqual(raised);
});

test('an event of a user who was erased tells no address', async () => {
  const [id] = await raise(1);
  await castellans.rows(`update security_events set facts = facts - 'address' where id = $1`, id);
  await ship();
  expect(messages()).toMatchObject([{ data: { id, address: null } }]);
});

test('a receiver as in the examples believes what is signed, once, and nothing else', async () => {
  const port = await freePort();
  const example = node(['examples/webhook/receive.ts'], { SECRET, PORT: String(port) });
  await example.printed('listening');
  const url = new Secret(`http://127.0.0.1:${port}/`);
  const send = (secret: string, id: string, now = systemClock.now()) =>
    openWebhook({ url, secret: new Secret(secret), clock: { ...systemClock, now: () => now } }).send({
      id,
      body: JSON.stringify({ data: { id } }),
    });
  await send(SECRET, 'sec_good');
  await send(SECRET, 'sec_good');
  await expect(send(BEFORE, 'sec_forged')).rejects.toThrow('401');
  await expect(send(SECRET, 'sec_replayed', systemClock.now() - 600_000)).rejects.toThrow('401');
  const { stdout } = await example.end('SIGTERM');
  expect(stdout.split('\n').filter((line) => line.startsWith('{'))).toEqual(['{"data":{"id":"sec_good"}}']);
});

describe('the settings', () => {
  const URL = 'https://alerts.example.com/castellan';
  test.each([
    ['a URL without a secret', { SECURITY_WEBHOOK_URL: URL }],
    [
      'a secret in another form',
      { SECURITY_WEBHOOK_URL: URL, SECURITY_WEBHOOK_SECRET: 'a secret that is long enough' },
    ],
    ['a short secret', { SECURITY_WEBHOOK_URL: URL, SECURITY_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' }],
    ['three secrets', { SECURITY_WEBHOOK_URL: URL, SECURITY_WEBHOOK_SECRET: [SECRET, SECRET, SECRET].join(',') }],
  ])('refuse %s', (_, given) => {
    expect(() => readConfig(given)).toThrow(ConfigError);
    expect(() => readConfig(given)).toThrow(/^  SECURITY_WEBHOOK_SECRET (must|is required)/m);
  });

  test('take one secret, or two while one is replaced', () => {
    expect(readConfig({}).securityWebhook).toBeNull();
    const two = readConfig({ SECURITY_WEBHOOK_URL: URL, SECURITY_WEBHOOK_SECRET: `${SECRET},${BEFORE}` });
    expect(two.securityWebhook?.secret.reveal()).toBe(`${SECRET},${BEFORE}`);
  });
});

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../../examples/gateways/running.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { RAISED } from '../../src/domain/security/security-event.ts';
import { WebhookShipment } from '../../src/domain/security/webhook.ts';
import { Shipper } from '../../src/domain/shipping.ts';
import { openWebhook } from '../../src/drivers/http/webhook.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { newId } from '../../src/kit/ids.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { changedThresholds } from '../../src/kit/thresholds.ts';
import { node } from '../cli/running.ts';
import { type Castellans, createTestClock, type SignedInUser, startCastellans, until } from '../support/castellan.ts';

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
let bob: SignedInUser;
let taken: Taken[] = [];
let answers: (n: number) => number | 'silence' = () => 204;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const status = answers(taken.length);
      // What it answers wrongly it may have taken as well.
      taken.push({ headers: request.headers, body });
      if (status !== 'silence') response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  const securityWebhook = { url: urlOf(receiver), secrets: [new Secret(SECRET), new Secret(BEFORE)] };
  const securityThresholds = changedThresholds('read.denied=3/5m');
  castellans = await startCastellans(3, { clock, settings: { securityWebhook, securityThresholds } });
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
  // Whoever was the last to send would be so for a minute.
  await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
});

const urlOf = (server: Server) => new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/events`);

/** One more that sends, for an instance of its own. */
function aShipper(): Shipper {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('nothing was started');
  const [store, logger] = [createStore(app.database), createLog('silent')];
  const webhook = openWebhook({ url: urlOf(receiver), secrets: [new Secret(SECRET), new Secret(BEFORE)], clock });
  return new Shipper({ store, shipment: new WebhookShipment({ store, webhook, logger }), clock, logger });
}

const drain = () => castellans.apps[0]?.services.drainer.drain();
const messages = (): readonly Message[] => taken.map(({ body }) => JSON.parse(body) as Message);
const ids = (): readonly string[] => messages().map(({ data }) => data.id);

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
  // From here on only those of the tests send.
  await Promise.all(
    castellans.apps.flatMap(({ services }) => services.shippers.map((shipper) => shipper.rounds.stop())),
  );
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
  await openWebhook({ url: urlOf(receiver), secrets: [new Secret(SECRET)], clock: at }).send(example);
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

  test('waits for twice as long each time, up to a minute, and says since when', async () => {
    await raise(1);
    const ours = aShipper();
    const triedAt: number[] = [];
    let second = 0;
    answers = () => {
      triedAt.push(second);
      return 500;
    };
    const pass = async (seconds: number): Promise<void> => {
      for (const end = second + seconds; second < end;) {
        second += 1;
        clock.advance(1_000);
        await ours.rounds.next().catch(() => {});
      }
    };
    ours.rounds.start();
    await pass(183);
    expect(triedAt).toEqual([1, 3, 7, 15, 31, 63, 123, 183]);
    expect(ours.failingSeconds).toBeGreaterThan(120);
    answers = () => 204;
    await pass(60);
    await ours.rounds.stop();
    expect(ours.failingSeconds).toBe(0);
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
    const webhook = openWebhook({ url: urlOf(receiver), secrets: [new Secret(SECRET)], clock, deadlineMs: 50 });
    await expect(webhook.send({ id: 'sec_1', body: '{}' })).rejects.toThrow(/timeout/);
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
    openWebhook({ url, secrets: [new Secret(secret)], clock: { ...systemClock, now: () => now } }).send({
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
    expect(two.securityWebhook?.secrets.map((secret) => secret.reveal())).toEqual([SECRET, BEFORE]);
  });
});

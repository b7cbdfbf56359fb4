import { Redis } from 'ioredis';
import { importPeer } from '../support/peers.ts';

interface Auth {
  readonly api: {
    signUpEmail(call: { body: object; returnHeaders: true }): Promise<{ headers: Headers }>;
    getSession(call: { headers: Headers }): Promise<{ user: { id: string } } | null>;
  };
}

interface BetterAuthModule {
  readonly betterAuth: (options: object) => Auth;
}

interface MemoryAdapterModule {
  readonly memoryAdapter: (tables: Readonly<Record<string, unknown[]>>) => unknown;
}

/** Sessions of better-auth that lie in Redis, which is its fastest configuration that is never stale; each call looks one up. */
export async function betterAuthSessions(
  redisUrl: string,
  count: number,
): Promise<{ readonly lookUps: readonly (() => Promise<boolean>)[]; close(): void }> {
  const { betterAuth } = await importPeer<BetterAuthModule>('better-auth');
  const { memoryAdapter } = await importPeer<MemoryAdapterModule>('better-auth/adapters/memory');
  const redis = new Redis(redisUrl, { keyPrefix: 'better-auth:' });
  const auth = betterAuth({
    secret: 'a secret for benchmarks that is long enough',
    baseURL: 'http://127.0.0.1:3000',
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    secondaryStorage: {
      get: (key: string) => redis.get(key),
      set: (key: string, value: string, seconds?: number) =>
        seconds === undefined ? redis.set(key, value) : redis.set(key, value, 'EX', Math.ceil(seconds)),
      delete: (key: string) => redis.del(key),
    },
  });
  const lookUps: (() => Promise<boolean>)[] = [];
  for (let n = 0; n < count; n += 1) {
    const body = { email: `bob${n}@example.com`, password: 'a password for benchmarks', name: 'Bob' };
    const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true });
    const cookie = headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ');
    const shown = new Headers({ cookie });
    lookUps.push(async () => (await auth.api.getSession({ headers: shown })) !== null);
  }
  return { lookUps, close: () => redis.disconnect() };
}

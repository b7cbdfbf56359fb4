import { Secret } from './secret.ts';

/** What REDIS_URL looks like, for whoever wrote one that cannot be used. */
const FORMS = {
  redis: 'redis[s]://[[user]:password@]host[:port][/database]',
  sentinel: 'redis[s]+sentinel://[[user]:password@]host[:port][,host[:port]…]/master name[/database]',
};
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, and how its data nodes are spoken to. */
export type RedisPlace = (
  | { readonly kind: 'server'; readonly server: Endpoint }
  /** Any of its nodes: they name the others. */
  | { readonly kind: 'cluster'; readonly nodes: readonly Endpoint[] }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Endpoint[];
      readonly master: string;
      readonly sentinelPassword: Secret | null;
    }
) & {
  /** For all connections, those to sentinels included. */
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly database: number;
};

/**
 * Reads `redis[s]://…` (a server), several of them separated by commas (Redis Cluster), or `redis[s]+sentinel://…`.
 * Throws a TypeError whose message goes on after "REDIS_URL", and repeats nothing of what was given.
 */
export function parseRedisUrl(text: string): RedisPlace {
  if (/^rediss?\+sentinel:/i.test(text)) return parseSentinel(text);
  if (!/^rediss?:/i.test(text)) {
    throw new TypeError('must start with redis://, rediss://, redis+sentinel:// or rediss+sentinel://');
  }
  // A comma in a password begins no URL.
  const [first, ...others] = text.split(/,(?=\s*rediss?:\/\/)/i).map((part) => parseServer(part.trim()));
  if (first === undefined) throw new TypeError(`must be of the form ${FORMS.redis}`);
  return others.length === 0 ? first : clusterOf([first, ...others], first);
}

type ServerPlace = Extract<RedisPlace, { kind: 'server' }>;

function parseServer(text: string): ServerPlace {
  const url = URL.parse(text);
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '')?.[1];
  if (url === null || database === undefined || url.search !== '' || url.hash !== '') {
    throw new TypeError(`must be of the form ${FORMS.redis}, or several of these separated by commas`);
  }
  return {
    kind: 'server',
    server: endpointOf(url, REDIS_PORT),
    tls: url.protocol === 'rediss:',
    ...credentialsOf(url.username, url.password),
    database: Number(database),
  };
}

function clusterOf(servers: readonly ServerPlace[], first: ServerPlace): RedisPlace {
  const { tls, username, password } = first;
  if (servers.some((each) => each.tls !== tls)) {
    throw new TypeError('must not mix redis:// and rediss://: a cluster speaks TLS everywhere or nowhere');
  }
  if (servers.some((each) => each.username !== username || each.password?.reveal() !== password?.reveal())) {
    throw new TypeError('must have the same user and password in every URL: the nodes of a cluster share them');
  }
  if (servers.some(({ database }) => database !== 0)) {
    throw new TypeError('must not name a database when it lists the nodes of a cluster, which has only one');
  }
  return { kind: 'cluster', nodes: servers.map(({ server }) => server), tls, username, password, database: 0 };
}

function parseSentinel(text: string): RedisPlace {
  const parts =
    /^(rediss?)\+sentinel:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^@/?#]*)(?:\/([^/?#]*))?(?:\/(\d{0,5}))?(?:\?([^#]*))?$/i.exec(
      text,
    );
  if (parts === null) throw new TypeError(`must be of the form ${FORMS.sentinel}`);
  const [, scheme = '', username = '', password = '', hosts = '', master = '', database = '', query] = parts;
  if (master === '') throw new TypeError(`must name the master that the sentinels watch: ${FORMS.sentinel}`);
  const sentinelPassword = query === undefined ? '' : /^sentinelPassword=([^&=]*)$/.exec(query)?.[1];
  if (sentinelPassword === undefined) throw new TypeError('must have no other query than ?sentinelPassword=…');
  return {
    kind: 'sentinel',
    sentinels: hosts.split(',').map((host) => endpointOf(URL.parse(`redis://${host.trim()}`), SENTINEL_PORT)),
    master: decode(master),
    sentinelPassword: sentinelPassword === '' ? null : new Secret(decode(sentinelPassword)),
    tls: scheme.toLowerCase() === 'rediss',
    ...credentialsOf(username, password),
    database: Number(database),
  };
}

function endpointOf(url: URL | null, defaultPort: number): Endpoint {
  const isName = /^(\[[\da-f:.]+\]|[\w.-]+)$/i.test(url?.hostname ?? '');
  if (url === null || !isName) throw new TypeError('must name every server as host or host:port');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? defaultPort : Number(url.port),
  };
}

function credentialsOf(username: string, password: string) {
  return {
    username: username === '' ? null : decode(username),
    password: password === '' ? null : new Secret(decode(password)),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('must have what is special in a name or password percent-encoded: % is %25, @ is %40');
  }
}

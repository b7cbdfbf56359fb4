import { pino } from 'pino';

/** Structured log lines: an object of facts first, then one short sentence. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names under which a secret or personal value may reach a log call by accident. */
const REDACTED = ['password', 'accessToken', 'refreshToken', 'authorization', 'cookie', 'secret', 'email', 'token'];

export function createLog(level: LogLevel, destination?: NodeJS.WritableStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: told },
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Names of what an error may say beside its message: of the system, and of the tables of ours. */
const FACTS = ['code', 'syscall', 'address', 'port', 'severity', 'table', 'column', 'constraint', 'routine'];
const CAUSES_MAX = 5;

/**
 * What an error is, where it was thrown, and by what. PostgreSQL tells of the row that it refused, in fields of its own, and a
 * message repeats what could not be read: none of these is told.
 */
function told(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : String(Object(error).constructor.name);
  const { name, stack = '', cause } = error;
  const facts = FACTS.flatMap((fact) => {
    const value: unknown = Reflect.get(error, fact);
    return typeof value === 'string' || typeof value === 'number' ? [[fact, value] as const] : [];
  });
  const causes = [...(cause === undefined ? [] : [cause]), ...(error instanceof AggregateError ? error.errors : [])];
  return {
    type: name,
    message: worded(error),
    ...Object.fromEntries(facts),
    stack: stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
    ...(causes.length > 0 && depth < CAUSES_MAX && { causes: causes.map((each) => told(each, depth + 1)) }),
  };
}

/** SQLSTATE, of which class 22 is that a value could not be what it should. */
const SQLSTATE = /^[0-9A-Z]{5}$/;

function worded(error: Error): string {
  const { code } = error as { readonly code?: unknown };
  const isOfDatabase = typeof code === 'string' && SQLSTATE.test(code);
  // What MikroORM adds of the row stands on lines of its own.
  const [message = ''] = isOfDatabase ? error.message.split('\n') : [error.message];
  const repeats = error instanceof SyntaxError || (isOfDatabase && code.startsWith('22'));
  return repeats ? message.replaceAll(/"[^"]*"?|'[^']*'?/g, '…') : message;
}

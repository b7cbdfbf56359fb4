import { ANONYMOUS } from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';
import { secondsUntil, toInstant } from '../../kit/clock.ts';
import type { Services } from '../graphql/services.ts';
import { toPublicError } from '../graphql/errors.ts';
import { noteRefusedFrame } from './attempts.ts';
import type { Connection } from './connection.ts';

interface Pong {
  readonly type: 'pong';
  readonly payload?: unknown;
}

/**
 * What a ping is answered with: its payload, or, when that has an `accessToken`, how renewing the connection with it went:
 * `{ expiresAt, expiresIn }` or `{ errors }`, as `renewConnection` would say. The token is not sent back.
 */
export function answerPings(connection: Connection, services: Services): (payload: unknown) => Promise<Pong> {
  const { clock, logger } = services;
  let isRenewing = false;

  return async (payload) => {
    const { accessToken } = Object(payload) as { readonly accessToken?: unknown };
    if (accessToken === undefined) return { type: 'pong', ...(payload !== undefined && { payload }) };
    try {
      if (isRenewing) throw new Refusal('RATE_LIMITED', 'One renewal at a time.', { retryAfterSeconds: 1 });
      isRenewing = true;
      const token = typeof accessToken === 'string' ? accessToken : '';
      const { credential } = await connection.renew(connection.owner ?? ANONYMOUS, token).finally(() => {
        isRenewing = false;
      });
      const expiresAt = toInstant(credential.expiresAtMs);
      return { type: 'pong', payload: { expiresAt, expiresIn: secondsUntil(credential.expiresAtMs, clock) } };
    } catch (error) {
      if (error instanceof Refusal) noteRefusedFrame(error.code, connection, services);
      return { type: 'pong', payload: { errors: [toPublicError(error, logger)] } };
    }
  };
}

import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badInput } from '../../domain/refusals.ts';

/** What a gateway asks with, in `extensions.subscription`; older ones write it with underscores. */
const subscriptionSchema = z.object({
  callbackUrl: z.string().optional(),
  callback_url: z.string().optional(),
  subscriptionId: z.string().min(1).max(256).optional(),
  subscription_id: z.string().min(1).max(256).optional(),
  verifier: z.string().min(1).max(1_024),
  heartbeatIntervalMs: z.number().int().optional(),
  heartbeat_interval_ms: z.number().int().optional(),
});

export interface CallbackRequest {
  readonly callbackUrl: string;
  readonly subscriptionId: string;
  readonly verifier: string;
  /** How often the gateway wants a sign of life; null for never. */
  readonly heartbeatMs: number | null;
}

const HEARTBEAT_MS = { usual: 5_000, min: 1_000, max: 3_600_000 };
const VERSION = /\bcallbackSpec=([\w.]+)/i;

/** Whether the request asks to be called back. */
export function asksForCallback({ method, headers: { accept } }: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
  return method === 'POST' && accept !== undefined && VERSION.test(accept);
}

/** Refuses with BAD_USER_INPUT what this version of the protocol does not have. */
export function callbackRequestOf({ headers, body }: Pick<FastifyRequest, 'headers' | 'body'>): CallbackRequest {
  const [, version] = VERSION.exec(headers.accept ?? '') ?? [];
  if (version !== '1.0') throw badInput('accept', 'Callbacks are spoken in version 1.0: callbackSpec=1.0.');
  const { extensions } = Object(body) as { readonly extensions?: unknown };
  const { subscription } = Object(extensions) as { readonly subscription?: unknown };
  const { success, data } = subscriptionSchema.safeParse(subscription);
  const callbackUrl = data?.callbackUrl ?? data?.callback_url;
  const subscriptionId = data?.subscriptionId ?? data?.subscription_id;
  if (!success || callbackUrl === undefined || subscriptionId === undefined) {
    throw badInput(
      'extensions',
      'extensions.subscription has callbackUrl, subscriptionId, verifier, heartbeatIntervalMs.',
    );
  }
  const heartbeatMs = data.heartbeatIntervalMs ?? data.heartbeat_interval_ms ?? HEARTBEAT_MS.usual;
  if (heartbeatMs !== 0 && (heartbeatMs < HEARTBEAT_MS.min || heartbeatMs > HEARTBEAT_MS.max)) {
    throw badInput('extensions', `heartbeatIntervalMs is 0 or from ${HEARTBEAT_MS.min} to ${HEARTBEAT_MS.max}.`);
  }
  return { callbackUrl, subscriptionId, verifier: data.verifier, heartbeatMs: heartbeatMs === 0 ? null : heartbeatMs };
}

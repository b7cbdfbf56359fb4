import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { OperationContext } from '../graphql/context.ts';
import { inTime } from '../graphql/deadlines.ts';

/** Calls this when the client is gone, or now: it may have gone while it was looked at who it is, and no event says so again. */
export function whenGone(raw: ServerResponse, leave: () => void): void {
  if (raw.destroyed) leave();
  else raw.once('close', leave);
}

/** Until its time is up, or the client is gone. */
export function whileWaited<T>(
  { raw }: FastifyReply,
  context: OperationContext,
  work: () => T | Promise<T>,
): T | Promise<T> {
  const result = inTime(context, work);
  if (result instanceof Promise) whenGone(raw, () => context.undertaking.abandon());
  return result;
}

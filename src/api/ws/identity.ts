import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { credentialOf } from '../http/credentials.ts';
import type { Credential } from '../../domain/authentication/authentication.ts';

/** Where clients and gateways put a token in `connection_init`. */
const initSchema = z.object({
  authorization: z.string().optional(),
  Authorization: z.string().optional(),
  token: z.string().optional(),
  headers: z.object({ authorization: z.string().optional() }).optional(),
  connectionParams: z.object({ token: z.string().optional(), authorization: z.string().optional() }).optional(),
});

/** Where gateways that carry many users over one socket put the token of an operation. */
const operationSchema = z.object({
  headers: z.object({ authorization: z.string().optional() }).optional(),
  jwt: z.object({ token: z.object({ value: z.string() }).optional() }).optional(),
});

/** The credential of the connection: its `connection_init` payload first, and else the headers of its upgrade. */
export function connectionCredential(init: unknown, headers: IncomingHttpHeaders): Credential {
  const { success, data } = initSchema.safeParse(init ?? {});
  const found = success
    ? (data.authorization ??
      data.Authorization ??
      data.token ??
      data.headers?.authorization ??
      data.connectionParams?.token ??
      data.connectionParams?.authorization)
    : undefined;
  return found === undefined ? credentialOf(headers) : fromText(found);
}

/** The credential that came with one operation, or null when it is the connection's. */
export function operationCredential(extensions: unknown): Credential | null {
  const { success, data } = operationSchema.safeParse(extensions ?? {});
  if (!success) return null;
  const found = data.headers?.authorization ?? data.jwt?.token?.value;
  return found === undefined ? null : fromText(found);
}

function fromText(text: string): Credential {
  return { kind: 'accessToken', token: text.replace(/^Bearer +/i, '').trim() };
}

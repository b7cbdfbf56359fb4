import { parse } from 'bowser';

/** A user agent longer than this is nobody's; looking through it costs time. */
const LENGTH_MAX = 512;

const KINDS: ReadonlySet<string> = new Set(['desktop', 'mobile', 'tablet', 'tv', 'bot']);

/** `desktop`, `mobile`, `tablet`, `tv`, `bot`; `other` for a client that says nothing of it, `unknown` for one that says nothing. */
export function deviceKind(userAgent: string | null): string {
  if (userAgent === null || userAgent.trim() === '') return 'unknown';
  const { type } = parse(userAgent.slice(0, LENGTH_MAX)).platform;
  return type !== undefined && KINDS.has(type) ? type : 'other';
}

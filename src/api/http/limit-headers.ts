import type { Allowance } from '../../domain/limits/operation-limits.ts';

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/**
 * `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has them: for every window its name, with `q` (how
 * many), `w` (in how many seconds), and `r` (how many remain), `t` (until how many seconds from now).
 */
export function limitHeaders(allowance: Allowance | null): Readonly<Record<string, string>> {
  if (allowance === null) return NONE;
  const { windows } = allowance;
  return {
    'ratelimit-policy': windows
      .map(({ name, max, seconds }) => `"${name}-${seconds}";q=${max};w=${seconds}`)
      .join(', '),
    ratelimit: windows
      .map(({ name, seconds, remaining, resetSeconds }) => `"${name}-${seconds}";r=${remaining};t=${resetSeconds}`)
      .join(', '),
  };
}

import type { Allowance } from '../../domain/limits/operation-limits.ts';
import type { WindowState } from '../../domain/limits/rate-limits.ts';

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/** What is said of a window every time: there are as many as limits are set. */
interface Said {
  readonly max: number;
  readonly policy: string;
  readonly name: string;
}

const said = new Map<string, Map<number, Said>>();

/**
 * `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has them: for every window its name, with `q` (how
 * many), `w` (in how many seconds), and `r` (how many remain), `t` (until how many seconds from now).
 */
export function limitHeaders(allowance: Allowance | null): Readonly<Record<string, string>> {
  if (allowance === null) return NONE;
  let [policies, states] = ['', ''];
  for (const window of allowance.windows) {
    const { policy, name } = saidOf(window);
    const state = `${name};r=${window.remaining};t=${window.resetSeconds}`;
    policies = policies === '' ? policy : `${policies}, ${policy}`;
    states = states === '' ? state : `${states}, ${state}`;
  }
  return { 'ratelimit-policy': policies, ratelimit: states };
}

function saidOf({ name, max, seconds }: WindowState): Said {
  let ofName = said.get(name);
  if (ofName === undefined) said.set(name, (ofName = new Map()));
  const known = ofName.get(seconds);
  // What an instance may let through changes with how many there are.
  if (known?.max === max) return known;
  const quoted = `"${name}-${seconds}"`;
  const fresh = { max, name: quoted, policy: `${quoted};q=${max};w=${seconds}` };
  ofName.set(seconds, fresh);
  return fresh;
}

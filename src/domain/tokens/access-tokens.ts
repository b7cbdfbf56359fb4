import { hash, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { isId } from '../../kit/ids.ts';
import { formatPosition, parsePosition, type Position } from '../authority/position.ts';
import { Refusal } from '../refusals.ts';
import { ALGORITHM, type KeyRing } from './key-ring.ts';

export interface TokenSettings {
  /** `iss` of our tokens: the URL of this Castellan. */
  readonly issuer: string;
  /** `aud`: who the tokens are for. */
  readonly audience: string;
  readonly accessTokenSeconds: number;
}

/** What a verified access token says. It says who, never what one may do. */
export interface AccessClaims {
  readonly kid: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly position: Position;
  /** When its session had last proven who acts in it, wall time in ms; Infinity in tokens of versions that did not say it. */
  readonly authenticatedAtMs: number;
  readonly expiresAtMs: number;
}

const VERIFIED_MAX = 50_000;
const TOKEN_LENGTH_MAX = 4_096;

const claimsSchema = z.object({
  sub: z.string().refine((sub) => isId('user', sub)),
  sid: z.string().refine((sid) => isId('session', sid)),
  jti: z.string().min(1),
  client_id: z.string(),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  auth_time: z.number().nonnegative().optional(),
  pos: z.string(),
});

/** A JWS header that this verifier is ready to think about: nothing optional, nothing fetched, nothing critical. */
const headerSchema = z.strictObject({ alg: z.literal(ALGORITHM), typ: z.literal('at+jwt'), kid: z.string().max(64) });

/**
 * Access tokens: `at+jwt` (RFC 9068) signed with ES256. A token is verified once; afterwards a look-up by the hash of
 * the whole token finds what it said. That it was verified says nothing about whether it was revoked.
 */
export class AccessTokens {
  readonly #keyRing: KeyRing;
  readonly #settings: TokenSettings;
  readonly #clock: Clock;
  readonly #verified = new BoundedMap<string, AccessClaims>(VERIFIED_MAX);

  constructor(parts: { keyRing: KeyRing; settings: TokenSettings; clock: Clock }) {
    this.#keyRing = parts.keyRing;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /** A token for this session, vouching for everything up to `position`: read before, or with, the rows it rests on. */
  async issue(subject: {
    userId: string;
    sessionId: string;
    position: Position;
    /** When the session last proved who acts in it. What it proves later makes an end of this token. */
    authenticatedAtMs: number;
    /** The token never outlives its session. */
    sessionExpiresAtMs: number;
  }): Promise<{ readonly accessToken: string; readonly expiresAtMs: number }> {
    const { kid, privateKey } = await this.#keyRing.signing();
    const issuedAt = Math.floor(this.#clock.now() / 1_000);
    const expiresAt = Math.min(
      issuedAt + this.#settings.accessTokenSeconds,
      Math.floor(subject.sessionExpiresAtMs / 1_000),
    );
    const accessToken = await new SignJWT({
      sid: subject.sessionId,
      client_id: 'castellan',
      scope: '',
      // Of OpenID Connect, in seconds, which need not be whole.
      auth_time: subject.authenticatedAtMs / 1_000,
      pos: formatPosition(subject.position),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt', kid })
      .setIssuer(this.#settings.issuer)
      .setAudience(this.#settings.audience)
      .setSubject(subject.userId)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(privateKey);
    const expiresAtMs = expiresAt * 1_000;
    const { userId, sessionId, position, authenticatedAtMs } = subject;
    // What was signed here need not be verified here.
    const claims = { kid, userId, sessionId, position, authenticatedAtMs, expiresAtMs };
    this.#verified.set(fingerprint(accessToken), claims);
    return { accessToken, expiresAtMs };
  }

  /** What a token said when it was verified, if it was and its key is still good; without looking at when it ends. */
  verified(token: string): AccessClaims | undefined {
    const claims = this.#verified.get(fingerprint(token));
    return claims !== undefined && this.#keyRing.has(claims.kid) ? claims : undefined;
  }

  /** Refuses with TOKEN_EXPIRED or, for whatever else is wrong with it, UNAUTHENTICATED. */
  async verify(token: string): Promise<AccessClaims> {
    await this.#keyRing.ready();
    const known = this.verified(token);
    if (known !== undefined) {
      if (this.#clock.now() >= known.expiresAtMs) throw expired();
      return known;
    }
    const claims = await this.#check(token);
    this.#verified.set(fingerprint(token), claims);
    return claims;
  }

  /** The token was checked against the database again: it vouches for a newer position from now on. */
  relabel(token: string, claims: AccessClaims): void {
    this.#verified.set(fingerprint(token), claims);
  }

  async #check(token: string): Promise<AccessClaims> {
    const kid = readKid(token);
    const key = kid === null ? null : await this.#keyRing.findRead(kid);
    if (kid === null || key === null) throw malformed();
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        typ: 'at+jwt',
        issuer: this.#settings.issuer,
        audience: this.#settings.audience,
        currentDate: new Date(this.#clock.now()),
      });
      // jose takes an array that contains our audience; a token of ours never has one.
      if (typeof payload.aud !== 'string' || typeof payload.iss !== 'string') throw malformed();
      const { sub, sid, exp, iat, auth_time: authTime, pos } = claimsSchema.parse(payload);
      if (iat * 1_000 > this.#clock.now() + 60_000) throw malformed();
      const position = parsePosition(pos, 'pos');
      const authenticatedAtMs = authTime === undefined ? Infinity : Math.round(authTime * 1_000);
      return { kid, userId: sub, sessionId: sid, position, authenticatedAtMs, expiresAtMs: exp * 1_000 };
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw expired();
      throw malformed();
    }
  }
}

/** The key id of a token in exactly the form we issue, or null. jose is more generous than we want to be. */
function readKid(token: string): string | null {
  if (token.length > TOKEN_LENGTH_MAX) return null;
  const [header = '', payload = '', signature = '', ...more] = token.split('.');
  if (more.length > 0 || !isCanonicalBase64url(signature)) return null;
  try {
    canonicalJson(payload);
    return headerSchema.parse(canonicalJson(header)).kid;
  } catch {
    return null;
  }
}

/**
 * What a segment holds. Throws unless it is spelt as JSON.stringify spells it: with a name twice, a number too large or bytes
 * that are no text, readers may differ about what it says.
 */
function canonicalJson(segment: string): unknown {
  const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
  if (Buffer.from(JSON.stringify(value)).toString('base64url') !== segment) throw malformed();
  return value;
}

/** Two spellings of one signature would be two cache entries for one token. */
function isCanonicalBase64url(segment: string): boolean {
  return segment !== '' && Buffer.from(segment, 'base64url').toString('base64url') === segment;
}

function fingerprint(token: string): string {
  return hash('sha256', token, 'base64url');
}

function malformed(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This access token is not valid. Sign in to get one.');
}

function expired(): Refusal {
  return new Refusal('TOKEN_EXPIRED', 'The access token has expired. Refresh the session and try again.');
}

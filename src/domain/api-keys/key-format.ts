import { hash, randomBytes } from 'node:crypto';
import { ID_PREFIXES } from '../../kit/ids.ts';

/**
 * How an API key is written: `ck_<environment>_<id>_<secret><checksum>`. The id is that of the key without its prefix, the secret
 * 256 random bits and the checksum the CRC-32 of all before it, both in base 62. So a scanner that finds one in a file or a log
 * knows without asking anybody that it is no accident; see {@link isApiKey}.
 */
export const API_KEY = /ck_[a-z]{2,12}_[0-9A-Za-z]{26}_[0-9A-Za-z]{49}/;

const PARTS = /^ck_([a-z]{2,12})_([0-9A-Za-z]{26})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const PREFIX = /^ck_[a-z]{2,12}_([0-9A-Za-z]{26})(_|$)/;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
/** As many digits as 256 bits, and as 32 bits, take. */
const SECRET_DIGITS = 43;
const CHECKSUM_DIGITS = 6;

/** An API key taken apart. Of what it says only the hash is ever kept. */
export interface ApiKeyText {
  readonly id: string;
  readonly hash: string;
}

/** A fresh secret for the key, as it is shown once, and what is kept of it. */
export function makeApiKey(id: string, environment: string): ApiKeyText & { readonly text: string } {
  const secret = base62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_DIGITS);
  const unchecked = `${prefixOf(id, environment)}_${secret}`;
  const text = unchecked + checksumOf(unchecked);
  return { id, text, hash: hashOf(text) };
}

/** The part of the key that is no secret, by which people know it again. */
export function prefixOf(id: string, environment: string): string {
  return `ck_${environment}_${id.slice(ID_PREFIXES.apiKey.length)}`;
}

/** Null for what has not the form of a key, or whose checksum is not that of its text. Says nothing about whether it is one. */
export function parseApiKey(text: string): ApiKeyText | null {
  const [, , id, , checksum = ''] = PARTS.exec(text) ?? [];
  if (id === undefined || checksumOf(text.slice(0, -CHECKSUM_DIGITS)) !== checksum) return null;
  return { id: ID_PREFIXES.apiKey + id, hash: hashOf(text) };
}

/** Whether the text is an API key of some Castellan. Asks nobody. */
export function isApiKey(text: string): boolean {
  return parseApiKey(text) !== null;
}

/** The id of the key that a prefix, or a whole key, names; null for anything else. */
export function idInPrefix(text: string): string | null {
  const [, id] = PREFIX.exec(text.trim()) ?? [];
  return id === undefined ? null : ID_PREFIXES.apiKey + id;
}

function checksumOf(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_DIGITS);
}

function base62(value: bigint, digits: number): string {
  let text = '';
  for (let left = value; left > 0n; left /= 62n) text = DIGITS.charAt(Number(left % 62n)) + text;
  return text.padStart(digits, '0');
}

/** All of the text, so that no two spellings are one key. */
function hashOf(text: string): string {
  return hash('sha256', text, 'base64url');
}

const POLYNOMIAL = 0xedb88320;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = (rest & 1) === 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
});

/** CRC-32 as in RFC 1952, of a text of ASCII. */
function crc32(text: string): number {
  let rest = 0xffffffff;
  for (let n = 0; n < text.length; n += 1) {
    rest = (TABLE[(rest ^ text.charCodeAt(n)) & 0xff] ?? 0) ^ (rest >>> 8);
  }
  return (rest ^ 0xffffffff) >>> 0;
}

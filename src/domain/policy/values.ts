import { type AttributeType, typeName } from './vocabulary.ts';
import { clip, didYouMean } from './words.ts';

export interface Misfit {
  readonly message: string;
  readonly hint?: string;
}

const datetime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const scopePath = /^[^/\s]+(?:\/[^/\s]+)*$/;
const textLengthMax = 1024;

/** Why a value is none of this type, or null. Null belongs to every type: it means that nothing is known. */
export function misfit(type: AttributeType, value: unknown): Misfit | null {
  if (value === null) return null;
  if (type.kind === 'list') {
    if (!Array.isArray(value)) return { message: `this is no ${typeName(type)}` };
    for (const item of value) {
      const wrong = item === null ? { message: 'a list holds no null' } : misfit(type.of, item);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  if (type.kind === 'number' || type.kind === 'boolean') {
    if (typeof value === type.kind && (type.kind === 'boolean' || Number.isFinite(value))) return null;
    return {
      message: `${shown(value)} is no ${type.kind}`,
      ...(typeof value === 'string' && { hint: 'leave the quotes away' }),
    };
  }
  if (typeof value === 'object')
    return { message: `a ${Array.isArray(value) ? 'list' : 'map'} is no ${typeName(type)}` };
  if (typeof value !== 'string') return { message: `${shown(value)} is no ${typeName(type)}`, hint: 'quote it' };
  if (value.length > textLengthMax) return { message: `a text has at most ${textLengthMax} characters` };
  if (type.kind === 'enum' && !type.values.includes(value)) {
    const hint = didYouMean(value, type.values) ?? `there are ${type.values.join(', ')}`;
    return { message: `"${clip(value)}" is no value of ${typeName(type)}`, hint };
  }
  // Datetimes compare as texts, which is right only while all of them have the same shape.
  if (type.kind === 'datetime' && !(datetime.test(value) && Number.isFinite(Date.parse(value)))) {
    return { message: `"${clip(value)}" is no datetime`, hint: 'write it as 2026-01-31T12:00:00.000Z' };
  }
  if (type.kind === 'scope' && !scopePath.test(value)) {
    return { message: `"${clip(value)}" is no scope`, hint: 'a scope is a path: acme/platform' };
  }
  return null;
}

const shown = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? clip(String(value)) : 'this';

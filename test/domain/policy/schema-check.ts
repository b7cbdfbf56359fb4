import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from '../../../src/domain/policy/json-schema.ts';

/** As much of JSON Schema as our own schemas use; every other keyword is a mistake. Where it fails, or null. */
export function mismatch(root: JsonSchema, value: unknown, schema: unknown = root, at = ''): string | null {
  if (schema === true) return null;
  if (schema === false) return `${at}: nothing may stand here`;
  for (const [keyword, expected] of Object.entries(Object(schema))) {
    const inner = (part: unknown, of: unknown = value, below = at) => mismatch(root, of, part, below);
    if (!fits(keyword, expected, value, Object(schema), inner, at)) return `${at}: ${keyword}`;
  }
  return null;

  function fits(
    keyword: string,
    expected: unknown,
    value: unknown,
    schema: JsonSchema,
    inner: (part: unknown, of?: unknown, below?: string) => string | null,
    at: string,
  ): boolean {
    const list = (candidate: unknown): unknown[] => (Array.isArray(candidate) ? candidate : []);
    const text = typeof value === 'string' ? value : null;
    const entries = typeOf(value) === 'object' ? Object.entries(Object(value)) : [];
    const items = list(value);
    const passing = () => list(expected).filter((part) => inner(part) === null).length;
    switch (keyword) {
      case '$schema':
      case 'title':
      case 'description':
      case '$defs':
        return true;
      case '$ref':
        return inner(Object(root['$defs'])[String(expected).replace('#/$defs/', '')]) === null;
      case 'type':
        return [expected]
          .flat()
          .some((type) => type === typeOf(value) || (type === 'number' && typeOf(value) === 'integer'));
      case 'const':
        return isDeepStrictEqual(value, expected);
      case 'enum':
        return list(expected).includes(value);
      case 'pattern':
        return text === null || new RegExp(String(expected), 'u').test(text);
      case 'minLength':
        return text === null || text.length >= Number(expected);
      case 'maxLength':
        return text === null || text.length <= Number(expected);
      case 'minimum':
        return typeof value !== 'number' || value >= Number(expected);
      case 'minItems':
        return !Array.isArray(value) || items.length >= Number(expected);
      case 'maxItems':
        return items.length <= Number(expected);
      case 'uniqueItems':
        return new Set(items.map((item) => JSON.stringify(item))).size === items.length;
      case 'items':
        return items.every((item, index) => inner(expected, item, `${at}/${index}`) === null);
      case 'minProperties':
        return typeOf(value) !== 'object' || entries.length >= Number(expected);
      case 'required':
        return typeOf(value) !== 'object' || list(expected).every((name) => Object.hasOwn(Object(value), String(name)));
      case 'propertyNames':
        return entries.every(([name]) => inner(expected, name) === null);
      case 'properties':
        return entries.every(
          ([name, part]) =>
            !Object.hasOwn(Object(expected), name) || inner(Object(expected)[name], part, `${at}/${name}`) === null,
        );
      case 'additionalProperties': {
        const known = Object(schema['properties'] ?? {});
        return entries.every(
          ([name, part]) => Object.hasOwn(known, name) || inner(expected, part, `${at}/${name}`) === null,
        );
      }
      case 'allOf':
        return passing() === list(expected).length;
      case 'anyOf':
        return passing() > 0;
      case 'oneOf':
        return passing() === 1;
      case 'not':
        return inner(expected) !== null;
      default:
        throw new TypeError(`our schemas use no keyword ${keyword}`);
    }
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

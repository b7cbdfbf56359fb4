/**
 * The policy language said once more, as plainly as possible and without the engine's code: slow, and easy to check
 * by reading. What it answers is right by definition.
 */
export interface ModelRule {
  readonly effect: 'allow' | 'deny';
  readonly role: string;
  readonly action: readonly string[];
  readonly subject: readonly string[];
  readonly fields: readonly string[] | null;
  readonly where: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly anywhere: boolean;
}

export interface Model {
  readonly scoped: readonly string[];
  readonly inherits: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly ModelRule[];
}

export interface ModelGrant {
  readonly role: string;
  readonly scope: string | null;
}

type Bag = Readonly<Record<string, unknown>>;

export interface ModelQuestion {
  readonly principal: Bag;
  readonly grants: readonly ModelGrant[];
  readonly action: string;
  readonly subject: Bag;
  readonly field: string | undefined;
}

export function allows(model: Model, question: ModelQuestion): boolean {
  const matching = model.rules.filter((rule) => question.grants.some((grant) => applies(model, rule, grant, question)));
  if (matching.some(({ effect }) => effect === 'deny')) return false;
  return matching.some(({ effect }) => effect === 'allow');
}

function applies(model: Model, rule: ModelRule, grant: ModelGrant, question: ModelQuestion): boolean {
  const { action, subject, field, principal } = question;
  const type = String(subject['__typename']);
  if (!brings(model, grant.role, rule.role)) return false;
  if (!rule.action.includes(action) || !rule.subject.includes(type)) return false;
  if (!speaksOf(rule, field)) return false;
  if (model.scoped.includes(type) && !rule.anywhere && grant.scope !== null && !within(subject, grant.scope))
    return false;

  const texts = JSON.stringify(rule.where);
  const unknown = [...texts.matchAll(/\$\{principal\.(\w+)\}/g)].some(([, name]) => !hasValue(principal, name ?? ''));
  if (unknown) return rule.effect === 'deny';
  return Object.entries(rule.where).every(([attribute, tests]) => {
    const there = Object.hasOwn(subject, attribute);
    return holds(subject[attribute], there, tests, principal);
  });
}

function brings(model: Model, granted: string, role: string): boolean {
  if (granted === role) return true;
  return (model.inherits[granted] ?? []).some((parent) => brings(model, parent, role));
}

/** Without a field the question is whether any field is allowed: a deny of some of them says nothing to that. */
function speaksOf(rule: ModelRule, field: string | undefined): boolean {
  if (rule.fields === null) return true;
  return field === undefined ? rule.effect === 'allow' : rule.fields.includes(field);
}

const within = (subject: Bag, scope: string) => Array.isArray(subject['scopes']) && subject['scopes'].includes(scope);

const hasValue = (principal: Bag, name: string) => typeof principal[name] === 'string' && principal[name] !== '';

function holds(value: unknown, there: boolean, tests: Bag, principal: Bag): boolean {
  return Object.entries(tests).every(([operator, written]) => {
    const operand = operator === 'elemMatch' ? written : filled(written, principal);
    switch (operator) {
      case 'eq':
        return equals(value, there, operand);
      case 'ne':
        return !equals(value, there, operand);
      case 'in':
        return isAmong(value, operand);
      case 'nin':
        return !isAmong(value, operand);
      case 'exists':
        return there === operand;
      case 'all':
        return Array.isArray(value) && Array.isArray(operand) && operand.every((item) => value.includes(item));
      case 'size':
        return Array.isArray(value) && value.length === operand;
      case 'elemMatch':
        return Array.isArray(value) && value.some((item) => holds(item, true, { ...Object(operand) }, principal));
      default:
        return each(value).some((item) => compares(item, operator, operand));
    }
  });
}

function filled(operand: unknown, principal: Bag): unknown {
  if (Array.isArray(operand)) return operand.map((item) => filled(item, principal));
  const name = typeof operand === 'string' ? /^\$\{principal\.(\w+)\}$/.exec(operand)?.[1] : undefined;
  return name === undefined ? operand : principal[name];
}

/** A list equals whatever it contains; null is what is null, and what is not there. */
function equals(value: unknown, there: boolean, operand: unknown): boolean {
  if (operand === null) return !there || value === null || (Array.isArray(value) && value.includes(null));
  return each(value).includes(operand);
}

const isAmong = (value: unknown, operand: unknown) =>
  Array.isArray(operand) && each(value).some((item) => operand.includes(item));

/** As in CASL: what is neither the same nor greater is less, nothing included. */
function compares(value: unknown, operator: string, operand: unknown): boolean {
  const same = value === operand;
  const greater = !same && isMore(value, operand);
  if (operator === 'gt') return greater;
  if (operator === 'gte') return same || greater;
  if (operator === 'lt') return !same && !greater;
  if (operator === 'lte') return same || !greater;
  throw new TypeError(`the reference knows no operator ${operator}`);
}

// oxlint-disable-next-line typescript/no-explicit-any -- JavaScript orders any two values, TypeScript does not.
const isMore = (a: any, b: any): boolean => a > b;

const each = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

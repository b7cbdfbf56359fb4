import type { MongoQuery, RawRule } from '@casl/ability';
import type { CompiledRule, Compiler, GrantFacts } from './compiler.ts';
import { isUnbound } from './matching.ts';
import { narrowed } from './narrowing.ts';
import { toQuery } from './query.ts';
import { RuleGroup } from './rule-group.ts';
import type { TemplateValues } from './templates.ts';

export type PlainRule = RawRule<[string, string], MongoQuery>;

/** What certain grants amount to, compiled once for everybody who holds them. */
export class RoleSet {
  /** Equal for equal sets of grants. */
  readonly key: string;
  readonly grants: readonly GrantFacts[];
  /** The only ones that count, as they are written; null when all do. */
  readonly permissions: readonly string[] | null;
  readonly compiler: Compiler;
  /** As CASL takes them: later ones go first, and denies are last. */
  readonly rules: readonly CompiledRule[];
  #groups: ReadonlyMap<string, ReadonlyMap<string, RuleGroup>> | undefined;

  constructor(
    key: string,
    grants: readonly GrantFacts[],
    compiler: Compiler,
    permissions: readonly string[] | null = null,
  ) {
    this.key = key;
    this.grants = grants;
    this.permissions = permissions;
    this.compiler = compiler;
    const rules = compiler.compile(grants);
    this.rules = permissions === null ? rules : narrowed(rules, permissions);
  }

  get version(): string {
    return this.compiler.bundle.version;
  }

  /** The rules about an action on a type of subject; undefined when there is none. */
  group(type: string, action: string): RuleGroup | undefined {
    this.#groups ??= group(this.rules);
    return this.#groups.get(type)?.get(action);
  }

  /** The rules with the principal written into them: plain CASL, for front ends and database filters. */
  plainRules(principal: TemplateValues): PlainRule[] {
    return this.rules.flatMap(({ action, subject, inverted, fields, conditions, rule }) => {
      const unbound = conditions !== undefined && isUnbound(conditions, principal);
      if (unbound && !inverted) return [];
      const where = unbound ? [] : (conditions?.where ?? []);
      const query = toQuery(where, conditions?.reach ?? null, ({ name }) => principal[name]);
      return {
        action: [...action],
        subject: [...subject],
        inverted,
        ...(fields !== undefined && { fields: [...fields] }),
        ...(Object.keys(query).length > 0 && { conditions: query }),
        ...(rule.reason !== null && { reason: rule.reason }),
      };
    });
  }
}

/** The type the server gave the record. Anything else CASL would go by, a client could have sent. */
export function typeOf(subject: object): string {
  const { __typename: type }: { __typename?: unknown } = subject;
  return typeof type === 'string' ? type : '';
}

function group(rules: readonly CompiledRule[]): ReadonlyMap<string, ReadonlyMap<string, RuleGroup>> {
  const lists = new Map<string, Map<string, CompiledRule[]>>();
  for (const rule of rules.toReversed()) {
    for (const subject of rule.subject) {
      const actions = lists.get(subject) ?? new Map<string, CompiledRule[]>();
      lists.set(subject, actions);
      for (const action of rule.action) {
        const list = actions.get(action);
        if (list === undefined) actions.set(action, [rule]);
        else list.push(rule);
      }
    }
  }
  return new Map(
    [...lists].map(([subject, actions]) => [
      subject,
      new Map([...actions].map(([action, list]) => [action, new RuleGroup(list)])),
    ]),
  );
}

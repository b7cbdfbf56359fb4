import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What Castellan can be started without, to see what it costs. */
export type Part = 'shedding' | 'refusing' | 'tracing' | Switched;

/** What is there when it has started, and can be taken out and put back while it runs: see `switchOff` of its process. */
export type Switched = 'limits' | 'records';

/** What stands in the source once, and what stands there instead. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** All that comes is begun: where a machine has much else to do, a busy server would refuse now and then. */
const shedding: readonly Edit[] = [
  {
    file: 'src/api/http/shedding.ts',
    find: 'if (!isPlain(request) || !shedder.refuses()) return false;',
    replace: 'return false;',
  },
  {
    file: 'src/api/http/shedding.ts',
    find: 'if (isPlain(raw) || !shedder.refuses()) return done();',
    replace: 'return done();',
  },
];

/** As it is, but that all that comes is begun: what it costs to look whether it is too much is still there. */
const refusing: readonly Edit[] = [
  { file: 'src/kit/load-shedder.ts', find: 'if (!this.#shedding) return false;', replace: 'return false;' },
];

/**
 * Limits of the size, number and length of documents and operations, what is counted for them and told of it. A text that is new is
 * still weighed, once. Those of the server of Node, of bodies and of idle connections, stay.
 */
const limits: readonly Edit[] = [
  ...refusing,
  {
    file: 'src/api/http/shedding.ts',
    find: 'if (!isPlain(request) || !shedder.refuses()) return false;',
    replace: 'if (globalThis.isOut.limits || !isPlain(request) || !shedder.refuses()) return false;',
  },
  {
    file: 'src/api/graphql/admission.ts',
    find: 'if (key === null) return services.operationLimits.admit(by, from.address);',
    replace:
      'if (key === null) return globalThis.isOut.limits ? null : services.operationLimits.admit(by, from.address);',
  },
  {
    file: 'src/api/graphql/deadlines.ts',
    find: 'return raced(context, theirs);',
    replace: 'return globalThis.isOut.limits ? theirs : raced(context, theirs);',
  },
  {
    file: 'src/api/http/known-queries.ts',
    find: 'if (learned === undefined || learned.limits !== limitsFor(context)) return null;',
    replace:
      'if (learned === undefined || (!globalThis.isOut.limits && learned.limits !== limitsFor(context))) return null;',
  },
  {
    file: 'src/api/http/known-queries.ts',
    find: 'if (!operation.cost.isFixed && tooCostly(operation.cost, plain.variables, limits) !== null) return null;',
    replace:
      'if (!globalThis.isOut.limits && !operation.cost.isFixed && tooCostly(operation.cost, plain.variables, limits) !== null) return null;',
  },
  {
    file: 'src/api/graphql/documents.ts',
    find: 'const scanned = scan(query, limits);',
    replace: 'const scanned: number | GraphQLError = globalThis.isOut.limits ? 0 : scan(query, limits);',
  },
  {
    file: 'src/api/graphql/documents.ts',
    find: 'if (over !== null) return [over];',
    replace: 'if (!globalThis.isOut.limits && over !== null) return [over];',
  },
  {
    file: 'src/api/graphql/documents.ts',
    find: 'return error === null ? known : [error];',
    replace: 'return globalThis.isOut.limits || error === null ? known : [error];',
  },
  {
    file: 'src/api/graphql/documents.ts',
    find: 'if (error !== null) return [error];',
    replace: 'if (!globalThis.isOut.limits && error !== null) return [error];',
  },
];

/**
 * Audit entries, metrics, and what is counted or noted of use. Events are told by a trigger, which is not in the source. What Node tells
 * of itself (the delay of its event loop, its collections of garbage) is observed at all times.
 */
const records: readonly Edit[] = [
  {
    file: 'src/drivers/postgres/audit-store.ts',
    find: 'if (entries.length === 0) return;',
    replace: 'if (globalThis.isOut.records || entries.length === 0) return;',
  },
  {
    file: 'src/domain/audit/chainer.ts',
    find: 'this.rounds.soon(REST_MS);',
    replace: 'if (!globalThis.isOut.records) this.rounds.soon(REST_MS);',
  },
  {
    file: 'src/domain/outbox/drainer.ts',
    find: 'if (this.rounds.soon(at - now)) this.#restsUntilMs = at + REST_MS;',
    replace: 'if (!globalThis.isOut.records && this.rounds.soon(at - now)) this.#restsUntilMs = at + REST_MS;',
  },
  {
    file: 'src/app/authority.ts',
    find: 'metrics.receiptSeconds.observe({ enforced: String(enforced) }, waitedMs / 1_000),',
    replace:
      'globalThis.isOut.records ? undefined : metrics.receiptSeconds.observe({ enforced: String(enforced) }, waitedMs / 1_000),',
  },
  {
    file: 'src/api/graphql/context.ts',
    find: 'if (figure === null) return;',
    replace: 'if (globalThis.isOut.records || figure === null) return;',
  },
  {
    file: 'src/domain/policy/policy.ts',
    find: 'this.#counter.decided(engine, decision, action, subject.__typename);',
    replace: 'if (!globalThis.isOut.records) this.#counter.decided(engine, decision, action, subject.__typename);',
  },
  {
    file: 'src/api/graphql/uses.ts',
    find: "if (by.kind !== 'user') return;",
    replace: "if (globalThis.isOut.records || by.kind !== 'user') return;",
  },
];

const tracing: readonly Edit[] = [
  {
    file: 'src/api/http/graphql-route.ts',
    find: 'handler: (request, reply) => (tracing.on ? traced(request, reply) : handle(request, reply)),',
    replace: 'handler: handle,',
  },
  {
    file: 'src/api/graphql/deadlines.ts',
    find: "const name = figure === null ? 'graphql' : `graphql ${figure.kind} ${figure.field}`;",
    replace: '',
  },
  {
    file: 'src/api/graphql/deadlines.ts',
    find: 'tracing.on ? tracing.within(name, () => undertaking.run(work)) : undertaking.run(work);',
    replace: 'undertaking.run(work);',
  },
  {
    file: 'src/api/graphql/context.ts',
    find: "if (tracing.on) tracing.found(`graphql ${figure.kind} ${figure.field}`, { 'graphql.operation.type': figure.kind });",
    replace: '',
  },
  {
    file: 'src/api/graphql/context.ts',
    find: "if (tracing.on && code !== null) tracing.found(null, { 'castellan.code': code });",
    replace: '',
  },
  {
    file: 'src/drivers/redis/redis-questions.ts',
    find: "return tracing.asked('redis', REDIS, () => this.#ask(key, question));",
    replace: 'return this.#ask(key, question);',
  },
  {
    file: 'src/drivers/postgres/store.ts',
    find: "tracing.asked('postgresql transaction', POSTGRESQL, () =>",
    replace: '((work: () => Promise<unknown>) => work())(() =>',
  },
  {
    file: 'src/drivers/postgres/query.ts',
    find: 'tracing.asked(`postgresql ${name}`, POSTGRESQL, ask);',
    replace: 'ask();',
  },
];

export const EDITS: Readonly<Record<Part, readonly Edit[]>> = { shedding, refusing, limits, records, tracing };

const LOADER = pathToFileURL(join(import.meta.dirname, 'take-out.ts')).href;

/** What Node must be started with for a Castellan without these parts; without none it is loaded in the same way. */
export function without(...parts: readonly Part[]): readonly string[] {
  return ['--import', `${LOADER}?parts=${parts.join(',')}`];
}

/** The same source with this edit. Throws where it does not stand there once: what would be measured is something else. */
export function edited(source: string, { file, find, replace }: Edit): string {
  const around = source.split(find);
  if (around.length !== 2) throw new Error(`this is ${around.length - 1} times in ${file}: ${find}`);
  return around.join(replace);
}

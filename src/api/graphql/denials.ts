import { Kind, type DocumentNode, type GraphQLSchema } from 'graphql';
import { actorOf } from '../../domain/authority/actor.ts';
import { denyingCode, isDenying } from '../../domain/audit/denials.ts';
import type { RefusalCode } from '../../domain/refusals.ts';
import { kindOfId } from '../../kit/ids.ts';
import { noteRefusedOperation } from './attempts.ts';
import type { OperationContext } from './context.ts';
import { noteDeniedGift } from './signals.ts';

/** Mutations whose entries are called something else than they are themselves. */
const ACTIONS: Readonly<Record<string, string>> = {
  changePassword: 'user.change_password',
  importUsers: 'user.create',
  signOut: 'session.revoke',
  revokeOtherSessions: 'session.revoke',
  revokeAllSessions: 'session.revoke',
  stepUp: 'session.step_up',
  beginTotpEnrollment: 'totp.begin',
  confirmTotpEnrollment: 'totp.confirm',
  rotateSigningKey: 'signing_key.create',
};

/** Of many in one request, so many are looked at. */
const ITEMS_MAX = 1_000;

/** Whatever mutation denies somebody what they ask for, the audit has it: in one place for every door and every use case. */
export function recordDenials(schema: GraphQLSchema): void {
  for (const [name, field] of Object.entries(schema.getMutationType()?.getFields() ?? {})) {
    const { resolve } = field;
    if (resolve === undefined) continue;
    const action = actionOf(name);
    field.resolve = async (source, args: Readonly<Record<string, unknown>>, context: OperationContext, info) => {
      const note = (code: RefusalCode, subjectId: string | null) => noteDenial(context, { action, subjectId, code });
      try {
        const result: unknown = await resolve(source, args, context, info);
        for (const { code, index } of refusedItems(result)) {
          noteRefusedOperation(context, 'mutation', code);
          if (!isDenying(code)) continue;
          noteDeniedGift(context, name, code);
          await note(code, subjectIn(itemOf(args, index)));
        }
        return result;
      } catch (error) {
        const code = denyingCode(error);
        if (code !== null) await note(code, subjectIn(args));
        throw error;
      }
    };
  }
}

/** A mutation that is denied as a whole, before any of it is begun. */
export async function noteUnbegun(context: OperationContext, document: DocumentNode, code: RefusalCode): Promise<void> {
  const fields = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? definition.selectionSet.selections : [],
  );
  for (const field of fields) {
    if (field.kind !== Kind.FIELD) continue;
    await noteDenial(context, { action: actionOf(field.name.value), subjectId: null, code });
  }
}

async function noteDenial(
  { by, services, undertaking: { circumstances } }: OperationContext,
  what: { readonly action: string; readonly subjectId: string | null; readonly code: RefusalCode },
): Promise<void> {
  if (by.kind !== 'user') return;
  await services.denials.note({ actor: actorOf(by), circumstances, ...what });
}

/** `disableUsers` is about `user.disable`, as its entries are. */
export function actionOf(mutation: string): string {
  const known = ACTIONS[mutation];
  if (known !== undefined) return known;
  const [, verb = mutation, noun = ''] = /^([a-z]+)(.*)$/.exec(mutation) ?? [];
  const words = noun.replaceAll(/(?<!^)(?=[A-Z])/g, '_').toLowerCase();
  return `${words.replace(/s$/, '') || 'operation'}.${verb}`;
}

/** The first id of ours among the arguments. What does not look like one is not repeated: it may be anything. */
function subjectIn(args: unknown): string | null {
  const values = typeof args === 'object' && args !== null ? Object.values(args) : [args];
  for (const value of values) {
    if (typeof value === 'string' && kindOfId(value) !== null) return value;
  }
  for (const value of values) {
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value) ? subjectIn(value) : null;
    if (nested !== null) return nested;
  }
  return null;
}

/** One of many: the argument of that place in the one list there is. */
function itemOf(args: Readonly<Record<string, unknown>>, index: number): unknown {
  const items = Object.values(args).find((value) => Array.isArray(value)) as readonly unknown[] | undefined;
  return items?.[index] ?? null;
}

function refusedItems(result: unknown): readonly { readonly code: RefusalCode; readonly index: number }[] {
  const { results } = Object(result) as { readonly results?: unknown };
  if (!Array.isArray(results)) return [];
  return results.slice(0, ITEMS_MAX).flatMap((item: unknown, index) => {
    const { refusal } = Object(item) as { readonly refusal?: { readonly code: RefusalCode } | null };
    return refusal === null || refusal === undefined ? [] : [{ code: refusal.code, index }];
  });
}

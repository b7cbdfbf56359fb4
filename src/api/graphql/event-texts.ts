import { execute, type ExecutionArgs, type OperationDefinitionNode } from 'graphql';

/**
 * The bytes of a text, as a string of a character for each: what differs and what is shared are then put together, and written,
 * without a buffer for each.
 */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/**
 * The results of events, as the bytes of their JSON, in operations that show the same of them to everybody (`isPlain`): each is executed and serialised
 * once, however many are told, and kept as long as its event. It is executed for nobody: a field that would ask who reads it
 * fails, and nothing is shared.
 */
export class EventTexts {
  readonly #texts = new WeakMap<object, Map<OperationDefinitionNode, string | null>>();
  #made = 0;

  /** How often an event was executed for all. */
  get made(): number {
    return this.#made;
  }

  /** @returns bytes as {@link bytesOf} has them; null where it has errors: those are told one by one */
  of(event: object, operation: OperationDefinitionNode, args: ExecutionArgs): string | null {
    const known = this.#texts.get(event);
    const text = known?.get(operation);
    if (text !== undefined) return text;
    const fresh = this.#make(event, args);
    if (known === undefined) this.#texts.set(event, new Map([[operation, fresh]]));
    else known.set(operation, fresh);
    return fresh;
  }

  #make(event: object, args: ExecutionArgs): string | null {
    this.#made += 1;
    const result = execute({ ...args, rootValue: event, contextValue: null });
    if (result instanceof Promise) {
      result.catch(() => {});
      return null;
    }
    return result.errors === undefined ? bytesOf(JSON.stringify({ data: result.data })) : null;
  }
}

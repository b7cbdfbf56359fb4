import {
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type GraphQLSchema,
  type ValidationRule,
} from 'graphql';
import { BoundedMap } from '../../kit/bounded-map.ts';
import { TOO_NESTED } from './errors.ts';

const DOCUMENTS_MAX = 1_000;
/** Longer documents are read anew each time: a thousand of them must not fill our memory. */
const KEPT_LENGTH_MAX = 16_384;
/** A document of more tokens is refused before it is understood. */
export const TOKENS_MAX = 5_000;

/** Documents parsed and validated once. Those that fail are not kept, so nonsense cannot push out what is used. */
export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #rules: readonly ValidationRule[];
  readonly #documents = new BoundedMap<string, DocumentNode>(DOCUMENTS_MAX);

  constructor(schema: GraphQLSchema, { introspection }: { introspection: boolean }) {
    this.#schema = schema;
    this.#rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  }

  /** The document of this text, or what is wrong with it. */
  read(query: unknown): DocumentNode | readonly GraphQLError[] {
    if (typeof query !== 'string') return [new GraphQLError('There is no query.')];
    const known = this.#documents.get(query);
    if (known !== undefined) return known;
    try {
      const document = parse(query, { maxTokens: TOKENS_MAX });
      const errors = validate(this.#schema, document, this.#rules);
      if (errors.length > 0) return errors;
      if (query.length <= KEPT_LENGTH_MAX) this.#documents.set(query, document);
      return document;
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      if (error instanceof RangeError) return [new GraphQLError(TOO_NESTED)];
      throw error;
    }
  }
}

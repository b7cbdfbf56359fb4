import { GraphQLError, parse, validate, type DocumentNode, type GraphQLSchema } from 'graphql';
import { BoundedMap } from '../../kit/bounded-map.ts';

const DOCUMENTS_MAX = 1_000;
/** A document of more tokens is refused before it is understood. */
export const TOKENS_MAX = 5_000;

/** Documents parsed and validated once. Those that fail are not kept, so nonsense cannot push out what is used. */
export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #documents = new BoundedMap<string, DocumentNode>(DOCUMENTS_MAX);

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** The document of this text, or what is wrong with it. */
  read(query: unknown): DocumentNode | readonly GraphQLError[] {
    if (typeof query !== 'string') return [new GraphQLError('There is no query.')];
    const known = this.#documents.get(query);
    if (known !== undefined) return known;
    try {
      const document = parse(query, { maxTokens: TOKENS_MAX });
      const errors = validate(this.#schema, document);
      if (errors.length > 0) return errors;
      this.#documents.set(query, document);
      return document;
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  }
}

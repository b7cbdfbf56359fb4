import {
  getOperationAST,
  GraphQLError,
  Kind,
  NoFragmentCyclesRule,
  parse,
  validate,
  visit,
  BREAK,
  type DocumentNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { DocumentLimits } from '../../kit/limits.ts';
import type { Refusal } from '../../domain/refusals.ts';
import { costOf, lengthWith, total, type OperationCost, type Variables } from './costs.ts';
import { TOO_NESTED } from './errors.ts';
import { EventTexts } from './event-texts.ts';
import { overLimit } from './limits.ts';
import { type OperationFigure, OperationFigures, rootFieldOf } from './operation-figures.ts';
import { isPlain } from './plain.ts';
import { scan } from './scan.ts';
import { type AskedDocument, type ListedDocument, TrustedDocuments, untrusted } from './trusted-documents.ts';
import { tooHeavy, weigh, type Weights } from './weights.ts';

const DOCUMENTS_MAX = 1_000;
/** Of all that are kept: a token with what is made of it takes a few hundred bytes. */
const TOKENS_KEPT_MAX = 200_000;
/** What is wrong with a document beyond this many mistakes is not looked for. */
const MISTAKES_MAX = 20;
/** What shows more of an event takes too long to be made while others wait to be told of it. */
const PLAIN_FIELDS_MAX = 50;
/** What shows the schema. */
const INTROSPECTION: ReadonlySet<string> = new Set(['__schema', '__type', '_service']);

type Errors = readonly GraphQLError[];

/** A document that is valid and was weighed. */
export interface Known {
  readonly text: string;
  readonly document: DocumentNode;
  readonly tokens: number;
  readonly weights: Weights;
  /** The field by which it asks for the schema, or null. */
  readonly introspects: string | null;
  readonly costs: ReadonlyMap<OperationDefinitionNode, OperationCost>;
  readonly figures: ReadonlyMap<OperationDefinitionNode, OperationFigure>;
  /** Whether it shows little of an event, and the same to everybody who is told of it. */
  readonly plain: boolean;
}

/** What a request says it wants. */
export interface Asked {
  readonly query?: unknown;
  readonly operationName?: string | null | undefined;
  readonly variables?: Variables;
}

export interface Operation {
  readonly document: DocumentNode;
  readonly definition: OperationDefinitionNode;
  readonly kind: `${OperationTypeNode}`;
  readonly known: Known;
  readonly cost: OperationCost;
  /** What it is counted with. */
  readonly figure: OperationFigure;
}

/**
 * Documents parsed, weighed and validated once for all doors. What is cheap comes first: a text that exceeds a limit is not
 * parsed, and a document that does is not validated. Those that fail are not kept, so nonsense cannot push out what is used.
 */
export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #documents = new BoundedMap<string, Known>(DOCUMENTS_MAX, {
    weightOf: ({ tokens }) => tokens,
    weightMax: TOKENS_KEPT_MAX,
  });
  /** What is kept for good: whoever may ask for nothing else asks for these. */
  readonly #trusted = new Map<string, Known>();
  #listed = new TrustedDocuments([]);
  /** How it went with what was asked, through whichever door. */
  readonly operations = new OperationFigures();
  /** Of events that are the same for all who are told of them. */
  readonly eventTexts = new EventTexts();
  #parsed = 0;
  #validated = 0;

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** How often a text was parsed and a document validated, and how many are kept. */
  get figures(): { readonly parsed: number; readonly validated: number; readonly kept: number } {
    return { parsed: this.#parsed, validated: this.#validated, kept: this.#documents.size + this.#trusted.size };
  }

  /**
   * Reads these and keeps them for good.
   * @returns what is wrong with those that could never be answered under these limits, each with what it is called
   */
  trust(listed: readonly ListedDocument[], limits: DocumentLimits): readonly string[] {
    this.#listed = new TrustedDocuments(listed);
    return listed.flatMap((each) => {
      const [error] = this.#keep(each, { ...limits, anyDocument: true });
      return error === undefined ? [] : [`${each.operation?.name ?? 'document'} (${each.id}): ${error.message}`];
    });
  }

  /** The text that is asked for, as {@link TrustedDocuments.textOf} where only those are answered. */
  textOf(asked: AskedDocument, { anyDocument }: DocumentLimits): string | null | Refusal {
    if (!anyDocument) return this.#listed.textOf(asked);
    return typeof asked.query === 'string' ? asked.query : null;
  }

  /** The operation that a request names, with what its variables make of it; or what is wrong with it. */
  operation({ query, operationName, variables }: Asked, limits: DocumentLimits): Operation | Errors {
    const known = this.#read(query, limits);
    if (!('document' in known)) return known;
    const operation = getOperationAST(known.document, operationName);
    const cost = operation == null ? undefined : known.costs.get(operation);
    if (operation == null || cost === undefined) return [new GraphQLError('There is no such operation.')];
    const error = tooCostly(cost, variables, limits);
    if (error !== null) return [error];
    const figure = known.figures.get(operation) ?? this.operations.unknown;
    return { document: known.document, definition: operation, kind: operation.operation, known, cost, figure };
  }

  #read(query: unknown, limits: DocumentLimits): Known | Errors {
    if (typeof query !== 'string') return [new GraphQLError('There is no query.')];
    const trusted = this.#trusted.get(query);
    if (trusted === undefined && !limits.anyDocument) {
      const originalError = untrusted();
      return [new GraphQLError(originalError.message, { originalError })];
    }
    try {
      const known = trusted ?? this.#documents.get(query) ?? this.#learn(query, limits);
      if (!('document' in known)) return known;
      const error = overAny(known, limits);
      return error === null ? known : [error];
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      if (error instanceof RangeError) return [new GraphQLError(TOO_NESTED)];
      throw error;
    }
  }

  #keep({ text, operation }: ListedDocument, limits: DocumentLimits): Errors {
    const known = this.#read(text, limits);
    if (!('document' in known)) return known;
    const costs = [...known.costs];
    if (operation !== null && !costs.some(([each]) => isCalled(each, operation))) {
      return [new GraphQLError(`There is no ${operation.type} of that name in it.`)];
    }
    const dear = costs.map(([, each]) => (each.isFixed ? tooCostly(each, null, limits) : null));
    const over = dear.find((each) => each !== null);
    if (over !== undefined) return [over];
    this.#documents.delete(text);
    this.#trusted.set(text, known);
    return [];
  }

  #learn(query: string, limits: DocumentLimits): Known | Errors {
    const schema = this.#schema;
    const scanned = scan(query, limits);
    if (scanned instanceof GraphQLError) return [scanned];
    this.#parsed += 1;
    const document = parse(query);
    const weights = weigh(document, limits);
    const introspects = introspectionIn(document);
    const over = overAny({ tokens: scanned, weights, introspects }, limits);
    if (over !== null) return [over];

    this.#validated += 1;
    if (weights.cyclic) return validate(schema, document, [NoFragmentCyclesRule]);
    const errors = validate(schema, document, undefined, {
      maxErrors: MISTAKES_MAX,
      hideSuggestions: !limits.introspection,
    });
    if (errors.length > 0) return errors;
    const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    const costs = new Map(operations.map((operation) => [operation, costOf(schema, document, operation)]));
    const figures = new Map(
      operations.map((each) => [each, this.operations.of(each.operation, rootFieldOf(document, each))]),
    );
    const subscribes = operations.some(({ operation }) => operation === OperationTypeNode.SUBSCRIPTION);
    const plain = subscribes && weights.fields <= PLAIN_FIELDS_MAX && isPlain(schema, document);
    const known = { text: query, document, tokens: scanned, weights, introspects, costs, figures, plain };
    this.#documents.set(query, known);
    return known;
  }
}

function isCalled({ name, operation }: OperationDefinitionNode, said: { name: string; type: string }): boolean {
  const type: string = operation;
  return name?.value === said.name && type === said.type;
}

/** Whether these variables make it cost more than is allowed, and of what. */
export function tooCostly(
  { cost, representations }: OperationCost,
  variables: Variables,
  limits: DocumentLimits,
): GraphQLError | null {
  const represented = representations.reduce<number>((sum, size) => sum + lengthWith(size, variables), 0);
  if (represented > limits.representations) {
    return overLimit('representations', limits.representations, represented);
  }
  const all = total(cost, variables);
  return all > limits.cost ? overLimit('cost', limits.cost, all) : null;
}

/** What was learned under looser limits is known, and still not for everybody. */
function overAny(
  { tokens, weights, introspects }: Pick<Known, 'tokens' | 'weights' | 'introspects'>,
  limits: DocumentLimits,
): GraphQLError | null {
  if (tokens > limits.tokens) return overLimit('tokens', limits.tokens, tokens);
  const over = tooHeavy(weights, limits);
  if (over !== null) return over;
  return introspects === null || limits.introspection ? null : noIntrospection(introspects);
}

function introspectionIn(document: DocumentNode): string | null {
  let found: string | null = null;
  visit(document, {
    Field({ name: { value } }) {
      if (!INTROSPECTION.has(value)) return undefined;
      found = value;
      return BREAK;
    },
  });
  return found;
}

function noIntrospection(field: string): GraphQLError {
  return new GraphQLError(`The schema is not shown here: ${field} is not allowed.`);
}

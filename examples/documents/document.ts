/** What this subgraph keeps. Of its owner it knows the id, and of its scope the path. */
export interface Document {
  readonly id: string;
  readonly title: string;
  readonly ownerId: string;
  readonly archived: boolean;
  readonly scope: string;
}

/** In memory: what matters here is who may see it. */
export class Documents {
  readonly #byId: Map<string, Document>;

  constructor(documents: readonly Document[]) {
    this.#byId = new Map(documents.map((document) => [document.id, document]));
  }

  find(id: string): Document | null {
    return this.#byId.get(id) ?? null;
  }

  all(): readonly Document[] {
    return [...this.#byId.values()];
  }

  ownedBy(userId: string): readonly Document[] {
    return this.all().filter(({ ownerId }) => ownerId === userId);
  }

  rename(id: string, title: string): Document | null {
    const document = this.find(id);
    if (document === null) return null;
    const renamed = { ...document, title };
    this.#byId.set(id, renamed);
    return renamed;
  }
}

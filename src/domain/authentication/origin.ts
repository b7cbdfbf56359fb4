/** Where a request came from, as far as the door could tell. */
export interface Origin {
  readonly userAgent: string | null;
  readonly address: string | null;
  /** What the program calls itself, as it wrote it: the header `apollographql-client-name`. */
  readonly client: string | null;
}

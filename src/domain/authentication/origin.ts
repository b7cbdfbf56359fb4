/** Where a request came from, as far as the door could tell. */
export interface Origin {
  readonly userAgent: string | null;
  readonly address: string | null;
}

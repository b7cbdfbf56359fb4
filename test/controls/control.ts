/** One control of security: where it stands, what the source is without it, and which test then fails. */
export interface Control {
  readonly name: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  /** What takes its place: the same without the control. */
  readonly replace: string;
  readonly test: string;
  /** The title of the test, or a part of it; with the values of a table left out. */
  readonly title: string;
}

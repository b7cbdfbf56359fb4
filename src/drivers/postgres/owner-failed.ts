/** What kept the owner of the tables, who is not the user of instances, from bringing them up to date. */
export class OwnerFailed extends Error {
  override readonly name = 'OwnerFailed';

  constructor(cause: unknown) {
    super('the owner of the tables could not bring them up to date', { cause });
  }
}

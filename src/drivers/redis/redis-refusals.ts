/** What a server says of itself that passes: it loads its data, or its role or its cluster is changing. */
const PASSING = /^(LOADING|READONLY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN)\b/;
/** What ioredis says of a connection that is being made anew, such as the one to a server that is no master any more. */
const UNCONNECTED = /^Stream isn't writeable/;
/** Of these a server does not answer at all. A replica still answers reads. */
const SILENT = /^(LOADING|MASTERDOWN|CLUSTERDOWN)\b/;

/** Whether it is worth asking again shortly. */
export function isPassing(error: unknown): boolean {
  return error instanceof Error && (PASSING.test(error.message) || UNCONNECTED.test(error.message));
}

/** Whether a server answered, if only to refuse. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !SILENT.test(error.message);
}

/** One event of a stream as it is on the wire. */
export interface StreamEvent {
  readonly event: string;
  /** Parsed; null for none. */
  readonly data: unknown;
}

/** A POST for server-sent events, and what comes. */
export async function openStream(
  url: string,
  query: string,
  { variables = {}, headers = {} }: { variables?: object; headers?: Record<string, string> } = {},
) {
  const gone = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query, variables }),
    signal: gone.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  /** The next event, or null when the stream has ended. Comments are passed over. */
  async function next(): Promise<StreamEvent | null> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        if (block.startsWith(':')) continue;
        return parse(block);
      }
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done) return null;
      // Lines may end either way.
      text = `${text}${value}`.replaceAll('\r\n', '\n');
    }
  }

  return {
    status: response.status,
    headers: response.headers,
    next,
    /** Everything until the end. */
    async all(): Promise<readonly StreamEvent[]> {
      const events: StreamEvent[] = [];
      for (let event = await next(); event !== null; event = await next()) events.push(event);
      return events;
    },
    /** The body of an answer that is no stream. */
    async json(): Promise<unknown> {
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done) return JSON.parse(text) as unknown;
        text += value;
      }
    },
    leave: () => gone.abort(),
  };
}

function parse(block: string): StreamEvent {
  const fields = block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  const of = (name: string) =>
    fields
      .filter(([field]) => field === name)
      .map(([, value = '']) => value.replace(/^ /, ''))
      .join('\n');
  const data = of('data');
  return { event: of('event'), data: data === '' ? null : (JSON.parse(data) as unknown) };
}

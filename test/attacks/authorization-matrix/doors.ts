import { askOver, type Answer, type Castellans } from '../../support/castellan.ts';
import { openStream } from '../../support/event-stream.ts';
import type { Shown } from '../../support/every-door.ts';

export const DOORS = ['POST', 'GET', 'WebSocket', 'event stream', 'gateway'] as const;

export type Door = (typeof DOORS)[number];

/** What came back: one answer, or the first event. */
type Came = Partial<Pick<Answer, 'data' | 'errors'>>;

export interface Asking {
  readonly document: string;
  readonly shown: Shown | null;
  readonly instance: number;
  readonly door: Door;
}

/** Asks through a door. What comes through a gateway has its key beside the credential of whoever asks. */
export async function askThrough(
  castellans: Castellans,
  gatewayKey: string,
  { document, shown, instance, door }: Asking,
): Promise<Came> {
  const url = castellans.apps[instance]?.url ?? '';
  const headers = headersOf(shown);
  if (door === 'POST') return castellans.ask(document, { instance, headers });
  if (door === 'GET') {
    const asked = new URLSearchParams({ query: document });
    const given = { ...headers, 'apollo-require-preflight': 'true' };
    return (await (await fetch(`${url}/graphql?${asked.toString()}`, { headers: given })).json()) as Came;
  }
  if (door === 'WebSocket') {
    const client = castellans.connect({ ...shown, instance });
    try {
      const answer = await askOver(client, document);
      if (answer.closed !== null) throw new Error(`the socket closed with ${answer.closed}`);
      return answer;
    } finally {
      await client.dispose();
    }
  }
  const forwarded = door === 'gateway' ? { 'x-castellan-gateway': gatewayKey } : {};
  if (door === 'gateway' && !document.startsWith('subscription')) {
    return castellans.ask(document, { instance, headers: { ...headers, ...forwarded } });
  }
  const stream = await openStream(url, document, { headers: { ...headers, ...forwarded } });
  if (stream.status !== 200) return (await stream.json()) as Came;
  const first = await stream.next();
  stream.leave();
  return Object(first?.data) as Came;
}

function headersOf(shown: Shown | null): Record<string, string> {
  if (shown === null) return {};
  return 'token' in shown ? { authorization: `Bearer ${shown.token}` } : { 'x-api-key': shown.apiKey };
}

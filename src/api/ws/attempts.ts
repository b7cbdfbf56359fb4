import type { Services } from '../graphql/services.ts';
import { idOf } from '../graphql/attempts.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Connection } from './connection.ts';

/** What a socket is refused. @param by who asked, where that is not whoever opened it */
export function noteRefusedFrame(
  code: string,
  { from, owner }: Pick<Connection, 'from' | 'owner'>,
  { attempts }: Pick<Services, 'attempts'>,
  by: Principal | null = owner,
): void {
  attempts.note(code, 'websocket', from.address, idOf(by));
}

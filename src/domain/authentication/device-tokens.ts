import { toInstant, type Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import type { UserWithPassword } from '../users/user.ts';

const PREFIX = 'dv';
const SHAPE = /^dv\.([a-z0-9_]{1,64})\.([a-z0-9_]{1,64})\.([0-9a-z]{1,11})\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})$/;

/**
 * What a device keeps of a sign-in: under a MAC, whose device it is and since when. It is no credential and stands for no
 * session: wrong passwords with it are counted apart, so that whoever guesses elsewhere does not keep its user out.
 */
export class DeviceTokens {
  readonly #keys: Keys;
  readonly #clock: Clock;

  constructor(keys: Keys, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  make(userId: string): string {
    const [id, at] = [newId('device'), this.#clock.now().toString(36)];
    return [PREFIX, userId, id, at, this.#keys.sign('device-tokens', userId, id, at)].join('.');
  }

  /**
   * The id of the device, if the token is one of this user's from since the password is what it is: who once knew an older one
   * may have made many. Null otherwise, which is no mistake of anybody's.
   */
  deviceOf(token: string | null, found: UserWithPassword | null): string | null {
    const [, userId, id, at, keyId, mac] = SHAPE.exec(token ?? '') ?? [];
    if (userId === undefined || id === undefined || at === undefined || !isId('device', id)) return null;
    if (found?.user.id !== userId || found.password === null) return null;
    if (!this.#keys.verify('device-tokens', `${keyId}.${mac}`, userId, id, at)) return null;
    return toInstant(Number.parseInt(at, 36)) >= found.password.changedAt ? id : null;
  }
}

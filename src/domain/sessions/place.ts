import { addressKey } from '../address-range.ts';
import type { Origin } from '../authentication/origin.ts';
import { type Device, readDevice } from './device.ts';

/** Where a session is at home: what it was started with, or last proved itself from. */
export type Place = Pick<Origin, 'userAgent' | 'address'>;

/** Whether an address is that of a proxy of ours: then it says nothing about where its clients are. */
export type IsProxy = (address: string) => boolean;

/** Characters of an {@link addressKey} that name a network: a /24, and a /48. */
const NETWORK_V4 = 'v4:'.length + 6;
const NETWORK_V6 = 'v6:'.length + 12;

/** How far two addresses may be apart and be one place: a /24 of version 4, a /48 of version 6. Null where it is not known. */
export function networkIn({ address }: Pick<Place, 'address'>, isProxy: IsProxy): string | null {
  if (address === null || isProxy(address)) return null;
  const key = addressKey(address);
  return key === null ? null : key.slice(0, key.startsWith('v4:') ? NETWORK_V4 : NETWORK_V6);
}

/** What is the same of a device whatever its versions: kind, browser and system, or what a program calls itself. */
export function deviceKeyOf(userAgent: string | null, device: Device): string {
  const { deviceKind, browser, os } = device;
  if (browser !== null || os !== null || deviceKind !== 'other') return JSON.stringify([deviceKind, browser, os]);
  return JSON.stringify([(userAgent ?? '').replaceAll(/[\d.]+/g, '')]);
}

/** Another place than the one a session is bound to. */
export interface Elsewhere {
  /** The same for all that is one place: network and device. */
  readonly key: string;
  readonly device: Device;
}

/** Null unless network and device are both known and both others. */
export function elsewhere(bound: Place, from: Place, isProxy: IsProxy): Elsewhere | null {
  const [home, network] = [networkIn(bound, isProxy), networkIn(from, isProxy)];
  if (home === null || network === null || home === network || bound.userAgent === from.userAgent) return null;
  const device = readDevice(from.userAgent);
  const key = deviceKeyOf(from.userAgent, device);
  if (key === deviceKeyOf(bound.userAgent, readDevice(bound.userAgent))) return null;
  return { key: `${network} ${key}`, device };
}

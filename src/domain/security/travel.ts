import type { Instant } from '../../kit/clock.ts';
import type { Threshold } from '../../kit/thresholds.ts';

/** Where something is, as far as its address tells: within so many kilometres of this point. */
export interface Location {
  /** Degrees. */
  readonly latitude: number;
  readonly longitude: number;
  readonly radiusKm: number;
}

/** Where an address is; null where that is not known. */
export type Locate = (address: string) => Location | null;

/** That a user was there. */
export interface Sighting extends Location {
  readonly userId: string;
  readonly sessionId: string;
  readonly at: Instant;
}

const EARTH_RADIUS_KM = 6_371;
const HALF_AROUND_KM = Math.PI * EARTH_RADIUS_KM;
/** Providers give out addresses far from where they are used: what is nearer says nothing. */
const APART_KM_MIN = 100;

/** How far two are apart at least, if each may be anywhere in its circle. */
export function apartKm(one: Location, other: Location): number {
  const [lat1, lat2] = [radians(one.latitude), radians(other.latitude)];
  const [dLat, dLon] = [lat2 - lat1, radians(other.longitude - one.longitude)];
  const a = Math.sin(dLat / 2) ** 2 + Math.cos(lat1) * Math.cos(lat2) * Math.sin(dLon / 2) ** 2;
  const between = 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(a)));
  return Math.max(0, between - one.radiusKm - other.radiusKm);
}

/** How far somebody came who was in both places and cannot have travelled; null where they can. */
export function impossibleKm(one: Sighting, other: Sighting, speed: Threshold): number | null {
  const km = apartKm(one, other);
  const seconds = Math.abs(Date.parse(other.at) - Date.parse(one.at)) / 1_000;
  return km >= APART_KM_MIN && km > (speed.count * seconds) / speed.seconds ? Math.round(km) : null;
}

/** After so long whoever was anywhere may be anywhere else: where they were is of no use any more. */
export function travelSeconds(speed: Threshold | null): number {
  return speed === null ? 0 : (HALF_AROUND_KM / speed.count) * speed.seconds;
}

function radians(degrees: number): number {
  return (degrees / 180) * Math.PI;
}

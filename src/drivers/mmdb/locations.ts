import { readFile } from 'node:fs/promises';
import { type CityResponse, Reader } from 'mmdb-lib';
import type { Locate, Location } from '../../domain/security/travel.ts';

/** Networks that are looked at to find out whether there are locations at all: a whole database has one among its first. */
const LOOKED_AT_MAX = 4_096;
/** Where a database does not say how far off it may be: as much as it may say of a city. */
const RADIUS_KM = 50;

/** Cannot be used; the message goes on after what named the file. */
export class LocationsUnusable extends Error {
  override readonly name = 'LocationsUnusable';
}

/**
 * Where addresses are, by a file in the format MaxMind DB with locations of cities (GeoLite2 City, DB-IP City Lite …). It is read
 * once and kept in memory. What cannot be read of it later is not known.
 *
 * @throws LocationsUnusable for what is no such file, or has no locations
 */
export async function openLocations(path: string): Promise<Locate> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new LocationsUnusable(`names a file that cannot be read: ${error.code ?? 'it is none'}`);
  });
  try {
    const reader = new Reader<CityResponse>(bytes);
    if (hasLocations(reader)) return (address) => locationOf(reader, address);
  } catch {
    throw new LocationsUnusable('must name a file in the format MaxMind DB, and this one is damaged or another');
  }
  throw new LocationsUnusable('must name a database of cities: this one has no locations of addresses');
}

/** Goes from network to network. Whatever is wrong with the file shows here, or with one address alone. */
function hasLocations(reader: Reader<CityResponse>): boolean {
  for (let at = 0, looked = 0; at < 2 ** 32 && looked < LOOKED_AT_MAX; looked += 1) {
    const [found, bits] = reader.getWithPrefixLength(addressOf(at));
    if (toLocation(found) !== null) return true;
    at += 2 ** (32 - bits);
  }
  return false;
}

function locationOf(reader: Reader<CityResponse>, address: string): Location | null {
  try {
    return toLocation(reader.get(address));
  } catch {
    return null;
  }
}

function toLocation(found: CityResponse | null): Location | null {
  // What a file says is not what a type says.
  const {
    latitude,
    longitude,
    accuracy_radius: radiusKm = RADIUS_KM,
  } = (found?.location ?? {}) as Partial<Record<string, unknown>>;
  if (!isWithin(latitude, 90) || !isWithin(longitude, 180) || typeof radiusKm !== 'number') return null;
  return { latitude, longitude, radiusKm };
}

function isWithin(degrees: unknown, most: number): degrees is number {
  return typeof degrees === 'number' && Math.abs(degrees) <= most;
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256).join('.');
}

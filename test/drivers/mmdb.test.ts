import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { examine } from '../../src/cli/doctor.ts';
import { ConfigError } from '../../src/config.ts';
import { openLocations } from '../../src/drivers/mmdb/locations.ts';
import { testConfig } from '../support/castellan.ts';
import { mmdbOf } from '../support/mmdb.ts';

const LONDON = { latitude: 51.5142, longitude: -0.0931, accuracy_radius: 10 };
const NETWORKS = {
  '1.0.0.0/8': null,
  '81.2.69.0/25': LONDON,
  '81.2.69.128/26': { latitude: -33.5, longitude: 151.2 },
  '81.2.70.0/24': { latitude: 151.2, longitude: -33.5 },
  '2001:218::/32': { latitude: 35.5, longitude: 139.75, accuracy_radius: 100 },
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan-mmdb-'));
});

afterAll(() => rm(folder, { recursive: true }));

async function file(bytes: Buffer): Promise<string> {
  const path = join(folder, 'places.mmdb');
  await writeFile(path, bytes);
  return path;
}

test.each([
  ['81.2.69.1', { latitude: 51.5142, longitude: -0.0931, radiusKm: 10 }],
  ['::ffff:81.2.69.1', null],
  ['2001:218:ffff::1', { latitude: 35.5, longitude: 139.75, radiusKm: 100 }],
  ['2001:219::1', null],
  ['81.2.69.192', null],
  ['1.2.3.4', null],
])('%s is where the file says that its network is', async (address, location) => {
  expect((await openLocations(await file(mmdbOf(NETWORKS))))(address)).toEqual(location);
});

test('a file that does not say how far off it may be is taken to be fifty kilometres off', async () => {
  const locate = await openLocations(await file(mmdbOf(NETWORKS)));
  expect(locate('81.2.69.130')).toEqual({ latitude: -33.5, longitude: 151.2, radiusKm: 50 });
});

test('what is no place on Earth is none', async () => {
  expect((await openLocations(await file(mmdbOf(NETWORKS))))('81.2.70.1')).toBeNull();
});

const whole = mmdbOf(NETWORKS);
const BROKEN: readonly (readonly [string, Buffer, string])[] = [
  ['nothing', Buffer.alloc(0), 'damaged or another'],
  ['another format', Buffer.from('{"latitude": 51.5}'), 'damaged or another'],
  ['half of it', whole.subarray(0, whole.length / 2), 'damaged or another'],
  ['its metadata alone', whole.subarray(whole.lastIndexOf('MaxMind.com') - 3), 'damaged or another'],
  ['countries alone', mmdbOf({ '81.2.69.0/24': null }), 'no locations'],
];

test.each(BROKEN)(
  'a start with %s is refused by name, before anything is opened, and castellan doctor says so',
  async (_, bytes, message) => {
    const path = await file(bytes);
    const config = { ...testConfig('postgres://127.0.0.1:1/none', undefined), geoDatabase: path };
    const started = createApp(config).then(
      () => null,
      (error: unknown) => error,
    );
    expect(await started).toBeInstanceOf(ConfigError);
    expect(String(await started)).toMatch(new RegExp(`  GEO_DATABASE must name .*${message}`));
    const { facts } = await examine({ GEO_DATABASE: path });
    expect(facts).toMatchObject({
      problems: [{ variable: 'GEO_DATABASE', message: expect.stringContaining(message) }],
    });
  },
);

test('so is one with a file that is not there', async () => {
  const config = { ...testConfig('postgres://127.0.0.1:1/none', undefined), geoDatabase: join(folder, 'none') };
  await expect(createApp(config)).rejects.toThrow('GEO_DATABASE names a file that cannot be read: ENOENT');
});

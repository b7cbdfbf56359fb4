import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Locked, type Lockfile, nameOf, readLockfile, resolved, shipped } from './lockfile.ts';

/**
 * The libraries that Castellan runs with, as CycloneDX 1.6 has them (ECMA-424): from the lockfile alone, so that the same lockfile
 * comes to the same file. That of npm leaves out what tools need as well.
 */

interface Project {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** In the order of their names, each version once, wherever it lies. */
export function sbomOf(project: Project, lockfile: Lockfile): object {
  const { name, version, license } = project;
  const self = `pkg:npm/${name}@${version}`;
  const byPurl = Map.groupBy(shipped(lockfile), (path) => purlOf(path, lockfile.packages[path]));
  const purls = [...byPurl.keys()].toSorted();
  const dependsOn = (paths: readonly string[]): readonly string[] =>
    [...new Set(paths.flatMap((path) => neededBy(path, lockfile)))].toSorted();
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: { type: 'application', 'bom-ref': self, name, version, purl: self, licenses: licensesOf(license) },
    },
    components: purls.map((purl) => componentOf(purl, byPurl.get(purl) ?? [], lockfile)),
    dependencies: [
      { ref: self, dependsOn: dependsOn(['']) },
      ...purls.map((ref) => ({ ref, dependsOn: dependsOn(byPurl.get(ref) ?? []) })),
    ],
  };
}

function componentOf(purl: string, paths: readonly string[], { packages }: Lockfile): object {
  const [path = ''] = paths;
  const { version, integrity = '', license } = lockedOf(packages[path]);
  const [group, name] = partsOf(nameOf(path));
  const isOptional = paths.every((each) => packages[each]?.optional === true);
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group !== null && { group }),
    name,
    version,
    scope: isOptional ? 'optional' : 'required',
    hashes: hashesOf(integrity),
    ...(license !== undefined && { licenses: licensesOf(license) }),
    purl,
    externalReferences: [{ type: 'distribution', url: tarballOf(nameOf(path), version) }],
  };
}

function neededBy(path: string, lockfile: Lockfile): readonly string[] {
  const { dependencies, optionalDependencies, peerDependencies } = lockedOf(lockfile.packages[path]);
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  return names.flatMap((name) => {
    const found = resolved(lockfile, path, name);
    // A peer that only a tool brought along is not shipped.
    if (found === null || lockfile.packages[found]?.dev === true) return [];
    return [purlOf(found, lockfile.packages[found])];
  });
}

function lockedOf(locked: Locked | undefined): Locked {
  if (locked === undefined) throw new TypeError('the lockfile names what it does not have');
  return locked;
}

function purlOf(path: string, locked: Locked | undefined): string {
  const [group, name] = partsOf(nameOf(path));
  return `pkg:npm/${group === null ? '' : `${encodeURIComponent(group)}/`}${name}@${lockedOf(locked).version}`;
}

/** `@group/name` */
function partsOf(name: string): readonly [string | null, string] {
  const [group = '', rest] = name.split('/');
  return rest === undefined ? [null, name] : [group, rest];
}

/** Where npm gets it: the lockfile has no other places, and a test sees to that. */
function tarballOf(name: string, version: string): string {
  const [, plain] = partsOf(name);
  return `https://registry.npmjs.org/${name}/-/${plain}-${version}.tgz`;
}

function hashesOf(integrity: string): readonly object[] {
  const [, alg, base64] = /^(sha512)-(.+)$/.exec(integrity) ?? [];
  if (alg === undefined || base64 === undefined) throw new TypeError(`there is no SHA-512 in "${integrity}"`);
  return [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }];
}

/** One of SPDX's, or several of them in one expression. */
function licensesOf(license: string): readonly object[] {
  return license.includes(' ') ? [{ expression: license }] : [{ license: { id: license } }];
}

/** Those libraries alone that are in the folder of the lockfile, as in an image, from which some were taken out. */
export function installed({ packages }: Lockfile, root: URL): Lockfile {
  const there = Object.entries(packages).filter(([path]) => path === '' || existsSync(new URL(path, root)));
  return { packages: Object.fromEntries(there) };
}

if (import.meta.main) {
  const root = new URL('../', import.meta.url);
  const project = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as Project;
  const lockfile = process.argv.includes('--installed') ? installed(readLockfile(), root) : readLockfile();
  writeFileSync('sbom.cdx.json', `${JSON.stringify(sbomOf(project, lockfile), null, 2)}\n`);
}

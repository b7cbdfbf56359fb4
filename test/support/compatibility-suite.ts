import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './source-files.ts';

const NAME = '@apollo/federation-subgraph-compatibility-tests';
const VERSION = '1.2.1';
/** Of its package, as the registry publishes it. */
const INTEGRITY = 'sha512-aR8+SS8lgMa+DEc1Gjn7d1IeqJGxegfwdFhDiF2eT6T0fGujCYEgJQXqPKMXRViIiFtoqxGktvpjJmILrC5coA==';
const FOLDER = join(ROOT, '.castellan/compatibility', VERSION);
const run = promisify(execFile);

/**
 * The folder of the suite, from the npm registry the first time. It is no dependency: 130 MB of another Jest, a process manager
 * and a download of a composer come with it, none of which its tests need.
 */
export async function fetchSuite(): Promise<string> {
  if (existsSync(FOLDER)) return FOLDER;
  await mkdir(join(FOLDER, '..'), { recursive: true });
  const folder = await mkdtemp(`${FOLDER}-`);
  try {
    await run('npm', ['pack', `${NAME}@${VERSION}`, '--pack-destination', folder, '--silent'], { cwd: folder });
    const archive = join(folder, `apollo-federation-subgraph-compatibility-tests-${VERSION}.tgz`);
    const hash = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (`sha512-${hash}` !== INTEGRITY) throw new Error(`${NAME}@${VERSION} is not what it was: sha512-${hash}`);
    await run('tar', ['-xzf', archive, '-C', folder]);
    await rename(join(folder, 'package'), FOLDER).catch((error: unknown) => {
      // Another run was faster.
      if (!existsSync(FOLDER)) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return FOLDER;
}

/** In place of what its tests bring in: a `fetch` that finds the gateway where this run has put it, and nothing. */
const STAND_INS = {
  'fetch.cjs': `module.exports = (url, options) =>
    fetch(url === 'http://localhost:4000/' ? process.env.GATEWAY_URL : url, options);\n`,
  'nothing.cjs': 'module.exports = () => () => {};\n',
};

export interface SuiteResult {
  readonly passed: number;
  /** Each that did not pass, with why. */
  readonly failures: readonly string[];
}

interface JestReport {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs its tests as they were published, with our Jest. */
export async function runSuite(folder: string, urls: { products: string; gateway: string }): Promise<SuiteResult> {
  const place = await mkdtemp(`${folder}-run-`);
  const [config, report] = [join(place, 'jest.config.json'), join(place, 'report.json')];
  const settings = {
    rootDir: folder,
    testEnvironment: 'node',
    testMatch: ['<rootDir>/dist/tests/*.test.js'],
    transform: {},
    modulePaths: [join(ROOT, 'node_modules')],
    moduleNameMapper: {
      '^make-fetch-happen$': join(place, 'fetch.cjs'),
      '^(debug|execa)$': join(place, 'nothing.cjs'),
    },
  };
  try {
    await writeFile(config, JSON.stringify(settings));
    for (const [name, text] of Object.entries(STAND_INS)) await writeFile(join(place, name), text);
    const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
    const env = { ...process.env, PRODUCTS_URL: urls.products, GATEWAY_URL: urls.gateway, NODE_OPTIONS: '' };
    // It ends with 1 when a test fails; the report says which.
    const ended = await run(process.execPath, [jest, '-c', config, '-i', '--json', `--outputFile=${report}`], {
      env,
    }).catch((error: unknown) => error as { stderr?: string });
    if (!existsSync(report)) throw new Error(`the suite did not run: ${ended.stderr}`);
    const { numPassedTests: passed, testResults } = JSON.parse(await readFile(report, 'utf8')) as JestReport;
    const failures = testResults.flatMap(({ message, assertionResults }) =>
      assertionResults.length === 0
        ? [message]
        : assertionResults
            .filter(({ status }) => status !== 'passed')
            .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join('\n')}`),
    );
    return { passed, failures };
  } finally {
    await rm(place, { recursive: true });
  }
}

/** Jest runs TypeScript by stripping its types; line numbers stay exact. */
// oxlint-disable-next-line import/no-default-export -- Jest reads its configuration from the default export.
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.js' },
  // By its name alone: `npm run test:versions`.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/versions/side-by-side'],
  modulePathIgnorePatterns: ['<rootDir>/.castellan', '<rootDir>/dist', '<rootDir>/examples'],
  // Only for what hangs: a machine that is busy is slow, and no test is of how slow.
  testTimeout: 60_000,
  maxWorkers: 2,
  // Modules of test files that are done stay in memory: collecting gigabytes of them stops a worker for seconds.
  workerIdleMemoryLimit: '1GB',
  // Nothing keeps a worker that is done, but giving back a gigabyte takes longer than half a second where others are busy.
  workerGracefulExitTimeout: 10_000,
};

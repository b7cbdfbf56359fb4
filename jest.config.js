/** Jest runs TypeScript by stripping its types; line numbers stay exact. */
// oxlint-disable-next-line import/no-default-export -- Jest reads its configuration from the default export.
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.js' },
  modulePathIgnorePatterns: ['<rootDir>/.castellan', '<rootDir>/dist', '<rootDir>/examples'],
  testTimeout: 20_000,
  maxWorkers: 2,
};

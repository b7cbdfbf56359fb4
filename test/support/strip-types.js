import { stripTypeScriptTypes } from 'node:module';

/** Jest transformer: removes the types and nothing else. */
// oxlint-disable-next-line import/no-default-export -- Jest loads a transformer from its default export.
export default {
  process: (source) => ({ code: stripTypeScriptTypes(source, { mode: 'strip' }) }),
};

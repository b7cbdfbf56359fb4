import { answerApart } from '../../kit/apart.ts';
import { parseBundle } from './parse.ts';
import { ParseCache } from './parse-cache.ts';
import { previewOf, type Preview, type PolicyPreview } from './preview.ts';

const cache = new ParseCache();

answerApart(({ before, after, everybody }: Preview): PolicyPreview =>
  previewOf(parseBundle(before, cache), parseBundle(after, cache), everybody),
);

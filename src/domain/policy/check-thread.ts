import { answerApart } from '../../kit/apart.ts';
import { checked, type Checked, type Proposal } from './checked.ts';
import { ParseCache } from './parse-cache.ts';

const cache = new ParseCache();

answerApart((proposal: Proposal): Checked => checked(proposal, cache));

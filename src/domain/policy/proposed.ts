import { Apart } from '../../kit/apart.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Bundle } from './bundle.ts';
import { type Checked, type Proposal, revived } from './checked.ts';
import { PolicyError } from './problems.ts';

const FILES_MAX = 200;
const THREAD = new URL(`./check-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
/** Of files of an instance, which nobody sends, there may be some twenty times as much. */
const MEMORY = { memoryMib: 2_048 };

/**
 * Where proposed files are read, beside everything else: it takes a second for as many as one request may bring. Whoever only looks at
 * what a change would do keeps nobody waiting who makes one. Those of this process.
 */
export const checks = {
  ofChanges: new Apart<Proposal, Checked>(THREAD, MEMORY),
  ofPreviews: new Apart<Proposal, Checked>(THREAD, MEMORY),
};

/**
 * What files come to that somebody wants in force. Refuses with BAD_USER_INPUT and every problem of the files, or of the decision
 * tables, or what they answer otherwise.
 *
 * @param field what the files came by
 */
export async function proposed(
  field: 'files' | 'version',
  proposal: Proposal,
  check: Apart<Proposal, Checked>,
): Promise<Bundle> {
  for (const [name, files] of [[field, proposal.files] as const, ['cases', proposal.cases] as const]) {
    if (files.length > FILES_MAX) throw badInput(name, `There may be at most ${FILES_MAX} files.`);
  }
  const answer = await check.ask(proposal);
  if ('bundle' in answer) return revived(answer.bundle);
  const { wrong, problems } = answer;
  const { message } = new PolicyError(problems);
  throw new Refusal('BAD_USER_INPUT', message, { field: wrong === 'files' ? field : wrong, problems });
}

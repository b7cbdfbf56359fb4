import { describe, expect, test } from '@jest/globals';
import { explore } from './explore.ts';
import { encode, initialState, MISTAKES, refusals, type Mistake, type Scenario } from './model.ts';
import { protocol } from './steps.ts';

const byTime = 'is enforced by time';
const byAcknowledgements = 'is enforced by acknowledgements';

/** What every scenario must reach, lest it hold only because nothing happens in it. */
const ALWAYS_REACHED = [
  byTime,
  byAcknowledgements,
  'loses its poll',
  'permits before the change',
  'permits a committed change',
  'refuses by a tombstone',
];

type Case = {
  readonly name: string;
  readonly scenario: Partial<Scenario>;
  readonly reaches: readonly string[];
  /** The holes to be found here, each with the step that makes the caller believe in what is not so. */
  readonly holes: readonly { readonly mistake: Mistake; readonly through: string }[];
};

const CASES: readonly Case[] = [
  {
    name: 'three instances, one of which boots late',
    scenario: { serving: 2, late: 1 },
    reaches: ['registers'],
    holes: [
      { mistake: 'm1', through: byTime },
      { mistake: 'm2', through: 'answers without waiting' },
      { mistake: 'm8', through: byTime },
      { mistake: 'm9', through: byAcknowledgements },
      { mistake: 'm10', through: byAcknowledgements },
    ],
  },
  {
    name: 'instances that join, crash and leave',
    scenario: { late: 1, with: new Set(['crashes']) },
    reaches: ['registers', 'crashes or stops', 'deletes its own row'],
    holes: [
      { mistake: 'm3', through: byAcknowledgements },
      { mistake: 'm4', through: byAcknowledgements },
    ],
  },
  {
    name: 'an instance that is suspected, collected and comes back, with a clock that may lose a tick',
    scenario: { incarnationsMax: 2, with: new Set(['crashes', 'collection', 'slowClocks']) },
    reaches: ['is marked as dead', 'is collected', 'registers', 'ticks, but not for A'],
    holes: [
      { mistake: 'm5', through: byAcknowledgements },
      { mistake: 'm14', through: byTime },
      { mistake: 'm15', through: byAcknowledgements },
    ],
  },
  {
    name: 'two changes of one target',
    scenario: { changes: ['revoked', 'changed'], calls: [0, 1], with: new Set(['fills']) },
    reaches: ['stores the ability with its label'],
    holes: [
      { mistake: 'm6', through: byAcknowledgements },
      { mistake: 'm12', through: byAcknowledgements },
    ],
  },
  {
    name: 'two instances that load abilities and share what they stored',
    scenario: { serving: 2, changes: ['changed'], with: new Set(['fills']) },
    reaches: ['stores the ability with its label'],
    holes: [
      { mistake: 'm7', through: byTime },
      { mistake: 'm16', through: byTime },
      { mistake: 'm18', through: byTime },
    ],
  },
  {
    name: 'a sign-in during the change',
    scenario: { with: new Set(['signIns']) },
    reaches: ['signs the token'],
    holes: [{ mistake: 'm11', through: byAcknowledgements }],
  },
  {
    name: 'a log that is trimmed',
    scenario: { late: 1, with: new Set(['trimming']) },
    reaches: ['registers', 'is trimmed by one position'],
    holes: [{ mistake: 'm13', through: byTime }],
  },
  {
    name: 'two calls for the same change',
    scenario: { calls: [0, 0] },
    reaches: ['finds nothing to do'],
    holes: [{ mistake: 'm17', through: 'finds nothing to do' }],
  },
];

describe.each(CASES)('$name', ({ name, scenario, reaches, holes }) => {
  const search = (...mistakes: Mistake[]) => {
    const whole: Scenario = {
      serving: 1,
      late: 0,
      changes: ['revoked'],
      calls: [0],
      incarnationsMax: 1,
      leaseTicks: 2,
      with: new Set(),
      ...scenario,
    };
    const made = new Set(mistakes);
    return explore({
      initial: initialState(whole),
      transitions: protocol(whole, made),
      encode,
      invariant: refusals(whole, made),
      statesMax: 500_000,
    });
  };

  test('no instance permits what was enforced, in any interleaving', () => {
    const { visited, violation, coverage } = search();

    expect(violation).toBeNull();
    expect([...ALWAYS_REACHED, ...reaches].filter((label) => !coverage.get(label))).toEqual([]);
    print(`${name}: no violation in ${visited} states`);
  }, 60_000);

  test.each(holes.map((hole) => ({ ...hole, words: MISTAKES[hole.mistake] })))(
    'finds the hole when $words ($mistake)',
    ({ mistake, through }) => {
      const { violation } = search(mistake);

      expect(violation).toContainEqual(expect.stringContaining(through));
      print(`${mistake}, ${MISTAKES[mistake]}:\n  ${violation!.join('\n  ')}`);
    },
  );
});

test('every mistake is searched for', () => {
  const searched = CASES.flatMap(({ holes }) => holes.map(({ mistake }) => mistake));

  expect(searched.toSorted()).toEqual(Object.keys(MISTAKES).toSorted());
});

/** Straight to the output: Jest's console would add a stack to every line. */
function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

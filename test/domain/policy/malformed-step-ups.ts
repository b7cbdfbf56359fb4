import type { Malformed } from './malformed-words.ts';

const withStepUp = (stepUp: string) =>
  `subjects:\n  Doc:\n    actions: [read, update]\n    stepUp: ${stepUp}\nroles: { reader: { allow: [] } }\n`;

/** Step-ups that mean nothing, and what their author is told. */
export const malformedStepUps: readonly Malformed[] = [
  ['a step-up that is a list', withStepUp('[update]'), /4:13 stepUp is a map, not a list/],
  [
    'a step-up for an unknown action',
    withStepUp('{ updaet: { level: 2 } }'),
    /4:15 Doc has no action "updaet" .*"update"/,
  ],
  ['a step-up for manage', withStepUp('{ manage: { level: 2 } }'), /4:15 Doc has no action "manage"/],
  [
    'a step-up for reading',
    withStepUp('{ read: { level: 2 } }'),
    /4:15 "read" takes no step-up \(it is asked of every record/,
  ],
  ['a step-up that is a number', withStepUp('{ update: 2 }'), /4:23 what a step-up takes is a map/],
  [
    'a step-up with an unknown part',
    withStepUp('{ update: { levle: 2 } }'),
    /4:25 .* has no "levle" \(did you mean "level"/,
  ],
  [
    'an empty step-up',
    withStepUp('{ update: {} }'),
    /4:23 every session is of level 1: .*\(say level: 2, or within: 15m\)/,
  ],
  ['a step-up to level 1', withStepUp('{ update: { level: 1 } }'), /4:23 every session is of level 1/],
  [
    'a step-up to level 3',
    withStepUp('{ update: { level: 3 } }'),
    /4:32 a level is 1, the password, or 2, a second factor/,
  ],
  ['a level that is a text', withStepUp("{ update: { level: '2' } }"), /4:32 a level is 1/],
  [
    'a time without a unit',
    withStepUp('{ update: { within: 900 } }'),
    /4:33 within is a time, and 900 has no unit \(.*15m/,
  ],
  ['a time in words', withStepUp('{ update: { within: soon } }'), /4:33 "soon" is no time/],
  ['a time of nothing', withStepUp('{ update: { within: 0m } }'), /4:33 "0m" is no time/],
  ['a time in an unknown unit', withStepUp('{ update: { within: 2w } }'), /4:33 "2w" is no time/],
  ['a time that is a list', withStepUp('{ update: { within: [15m] } }'), /4:33 within is a text/],
];

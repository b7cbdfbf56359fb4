import { answerApart } from '../../src/kit/apart.ts';

/** Says what it is asked, never comes to an end, or wants all the memory there is. */
answerApart((asked: 'loop' | 'fill' | 'fail' | number) => {
  if (asked === 'fail') throw new RangeError('as asked');
  const kept: object[] = [];
  let rounds = typeof asked === 'number' ? 0 : Infinity;
  while (rounds > 0) {
    if (asked === 'fill') kept.push({ much: `${kept.length} of it` });
    rounds -= 1;
  }
  return asked;
});

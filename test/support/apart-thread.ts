import { answerApart } from '../../src/kit/apart.ts';

/** Says what it is asked, never comes to an end, or wants all the memory there is. */
answerApart((asked: 'loop' | 'fill' | 'fail' | number) => {
  if (asked === 'fail') throw new RangeError('as asked');
  const kept: object[] = [];
  while (asked === 'loop' || asked === 'fill') if (asked === 'fill') kept.push({ much: `${kept.length} of it` });
  return asked;
});

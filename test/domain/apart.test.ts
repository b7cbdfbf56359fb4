import { afterAll, expect, test } from '@jest/globals';
import { Apart, TooMuchMemory } from '../../src/kit/apart.ts';
import { Undertaking } from '../../src/kit/undertaking.ts';
import { threads } from '../support/threads.ts';

const MODULE = new URL('../support/apart-thread.ts', import.meta.url);
const apart = new Apart<'loop' | 'fill' | 'fail' | number, number>(MODULE, { memoryMib: 32 });

afterAll(() => apart.rest());

test('what is done apart is done one after the other, by one thread that gives way to all others', async () => {
  expect(await Promise.all([1, 2, 3].map((each) => apart.ask(each)))).toEqual([1, 2, 3]);
  expect((await threads()).filter(({ name }) => name === 'apart').map(({ nice }) => nice)).toEqual([5]);
});

test('what nobody waits for any more is ended, and what had not begun is not; the next is answered', async () => {
  const [one, two] = [new Undertaking(), new Undertaking()];
  const [endless, waiting] = [one.run(() => apart.ask('loop')), two.run(() => apart.ask('loop'))];
  const next = apart.ask(4);
  two.abandon();
  setImmediate(() => one.abandon());
  await expect(endless).rejects.toThrow('without an answer');
  await expect(waiting).rejects.toThrow('nobody waits');
  expect(await next).toBe(4);
});

test('what wants too much memory is ended, as what fails is, and nothing else is; the next is answered', async () => {
  const answers = await Promise.allSettled([apart.ask('fill'), apart.ask('fail'), apart.ask(5)]);
  expect(answers).toEqual([
    { status: 'rejected', reason: expect.any(TooMuchMemory) },
    { status: 'rejected', reason: expect.objectContaining({ name: 'RangeError', message: 'as asked' }) },
    { status: 'fulfilled', value: 5 },
  ]);
});

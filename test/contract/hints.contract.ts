import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Acknowledgement, HintListener, Hints } from '../../src/domain/authority/hints.ts';

/** The words of the port's doc comment. */
export type HintsLaw = keyof typeof LAWS;

export interface OpenHints {
  /** The hints of one more instance, which can publish by now. */
  readonly join: () => Promise<Hints>;
  /** From now on whatever carries the news does not answer. */
  readonly hang: () => Promise<void>;
  /** Closes the hints that are still open, too. */
  readonly release: () => Promise<void>;
}

export interface HintsDriver {
  readonly name: string;
  /** Laws that have no case for this driver, each with the reason. */
  readonly except?: Partial<Record<HintsLaw, string>>;
  readonly open: () => Promise<OpenHints>;
}

export function describeHintsContract({ name, except = {}, open }: HintsDriver): void {
  describe(`the ${name} hints`, () => {
    const reasons: Readonly<Record<string, string | undefined>> = except;
    let opened: OpenHints;

    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened?.release());

    for (const [law, prove] of Object.entries(LAWS)) {
      const reason = reasons[law];
      if (reason === undefined) test(law, () => prove(opened));
      else process.stdout.write(`the ${name} hints are excused from "${law}": ${reason}\n`);
    }
  });
}

/** Keeps what it hears. */
export class Recorder implements HintListener {
  readonly seqs: number[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly numberedTo: number[] = [];
  readonly #heard = new Set<() => void>();

  hint(seq: number): void {
    this.seqs.push(seq);
    for (const heard of this.#heard) heard();
  }

  acknowledged(acknowledgement: Acknowledgement): void {
    this.acknowledgements.push(acknowledgement);
    for (const heard of this.#heard) heard();
  }

  numbered(seq: number): void {
    this.numberedTo.push(seq);
    for (const heard of this.#heard) heard();
  }

  /** Waits until the condition holds; looks whenever something was heard. */
  async until(condition: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => condition() && resolve();
    this.#heard.add(look);
    look();
    await promise;
    this.#heard.delete(look);
  }
}

export const ACKNOWLEDGEMENT: Acknowledgement = {
  instanceId: '0b0d6c4e-8f5e-4d43-a3ff-6a5e3a4d6a11',
  epoch: '4a7f1a4b-7a66-4f0a-a1a5-2f7f5b0f3c22',
  applied: 41,
  signature: 'k3yid.c2lnbmF0dXJl',
};

const LAWS = {
  'must deliver what others publish': async ({ join }: OpenHints) => {
    const [publisher, one, two] = [await join(), await join(), await join()];
    const listeners = [new Recorder(), new Recorder(), new Recorder()] as const;
    await one.subscribe(listeners[0]);
    await one.subscribe(listeners[1]);
    await two.subscribe(listeners[2]);

    publisher.publishHint(42);
    publisher.publishNumbered(43);
    publisher.publishAcknowledgement(ACKNOWLEDGEMENT);

    for (const listener of listeners) {
      await listener.until(
        () => listener.seqs.length > 0 && listener.numberedTo.length > 0 && listener.acknowledgements.length > 0,
      );
      expect(listener.acknowledgements).toEqual([ACKNOWLEDGEMENT]);
      // Each kind reaches its own, whatever else carries a number.
      expect([new Set(listener.seqs), new Set(listener.numberedTo)]).toEqual([new Set([42]), new Set([43])]);
    }
  },

  'must deliver until closed: publishing goes on both ways when others leave': async ({ join }: OpenHints) => {
    const [alice, bob, carol] = [await join(), await join(), await join()];
    const [heardByAlice, heardByBob] = [new Recorder(), new Recorder()];
    await alice.subscribe(heardByAlice);
    await bob.subscribe(heardByBob);

    await carol.close();
    alice.publishHint(1);
    bob.publishHint(2);

    await heardByBob.until(() => heardByBob.seqs.includes(1));
    await heardByAlice.until(() => heardByAlice.seqs.includes(2));
    expect(heardByBob.acknowledgements).toEqual([]);
  },

  'must return at once and must never throw: publishHint': async ({ join, hang }: OpenHints) => {
    const hints = await join();
    const own = new Recorder();
    await hints.subscribe(own);

    expect(hints.publishHint(1)).toBeUndefined();
    expect(own.seqs).toEqual([]);
    await hang();
    expect(hints.publishHint(2)).toBeUndefined();
    await hints.close();
    expect(hints.publishHint(3)).toBeUndefined();
  },

  'must return at once and must never throw: publishAcknowledgement': async ({ join, hang }: OpenHints) => {
    const hints = await join();
    const own = new Recorder();
    await hints.subscribe(own);

    expect(hints.publishAcknowledgement(ACKNOWLEDGEMENT)).toBeUndefined();
    expect(own.acknowledgements).toEqual([]);
    await hang();
    expect(hints.publishAcknowledgement(ACKNOWLEDGEMENT)).toBeUndefined();
    await hints.close();
    expect(hints.publishAcknowledgement(ACKNOWLEDGEMENT)).toBeUndefined();
  },

  'must return at once and must never throw: publishNumbered': async ({ join, hang }: OpenHints) => {
    const hints = await join();
    const own = new Recorder();
    await hints.subscribe(own);

    expect(hints.publishNumbered(1)).toBeUndefined();
    expect(own.numberedTo).toEqual([]);
    await hang();
    expect(hints.publishNumbered(2)).toBeUndefined();
    await hints.close();
    expect(hints.publishNumbered(3)).toBeUndefined();
  },

  'must stop all deliveries when closed': async ({ join }: OpenHints) => {
    const [publisher, leaving, staying] = [await join(), await join(), await join()];
    const [gone, still] = [new Recorder(), new Recorder()];
    await leaving.subscribe(gone);
    await staying.subscribe(still);

    publisher.publishHint(1);
    await leaving.close();
    await leaving.close();
    const heardBefore = gone.seqs.length;
    publisher.publishHint(2);
    publisher.publishAcknowledgement(ACKNOWLEDGEMENT);
    await leaving.subscribe(gone);

    await still.until(() => still.acknowledgements.length > 0);
    expect(gone.seqs).toHaveLength(heardBefore);
    expect(gone.acknowledgements).toEqual([]);
  },

  'subscribe must resolve when nothing answers': async ({ join, hang }: OpenHints) => {
    const hints = await join();
    await hang();
    await expect(hints.subscribe(new Recorder())).resolves.toBeUndefined();
  },
};

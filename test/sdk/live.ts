import { WebSocket } from 'ws';
import { createLiveAbility, type LiveAbility, type LiveAbilityOptions } from '../../src/sdk/client.ts';

/** Resolves as soon as it is so. What never comes to be ends the test by its time limit. */
export async function when(live: LiveAbility, isSo: () => boolean): Promise<void> {
  if (isSo()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = live.subscribe(() => {
    if (isSo()) resolve();
  });
  await promise;
  stop();
}

/** Opens live abilities and closes them all again; `cut` tears the sockets of all of them, as a dead network does. */
export function openLive() {
  const open: LiveAbility[] = [];
  const sockets = new Set<WebSocket>();
  class Noted extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      sockets.add(this);
      this.on('close', () => sockets.delete(this));
    }
  }
  return {
    start(options: LiveAbilityOptions): LiveAbility {
      const live = createLiveAbility({ webSocketImpl: Noted, ...options });
      open.push(live);
      return live;
    },
    /** How many sockets are open or opening. */
    get connected(): number {
      return sockets.size;
    },
    cut(): void {
      for (const socket of sockets) socket.terminate();
    },
    dispose(): void {
      for (const live of open.splice(0)) live.dispose();
    },
  };
}

/** How often the rules in the ability have changed. */
export function countUpdates(live: LiveAbility): { readonly count: number } {
  const updates = { count: 0 };
  live.ability.on('updated', () => {
    updates.count += 1;
  });
  return updates;
}

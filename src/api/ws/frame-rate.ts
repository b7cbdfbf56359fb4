import type { Clock } from '../../kit/clock.ts';
import type { SocketLimits } from '../../kit/limits.ts';

/** Says of each frame of a socket whether it is still one of those that may come in a while. */
export function frameRate({ frames, framesMs }: SocketLimits, clock: Clock): () => boolean {
  let count = 0;
  let endsAtMs = 0;
  return () => {
    const now = clock.monotonicMs();
    if (now >= endsAtMs) {
      count = 0;
      endsAtMs = now + framesMs;
    }
    count += 1;
    return count <= frames;
  };
}

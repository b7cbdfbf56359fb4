/** What is noted of people and programs waits in process and is written behind: so often, */
export const FLUSH_MS = 2_000;
/** so many at a time, */
export const BATCH_MAX = 500;
/** and so many wait: whoever makes up subjects pushes out their own. */
export const PENDING_MAX = 20_000;
/** Of so many it is known what was noted of them last. */
export const KNOWN_MAX = 50_000;

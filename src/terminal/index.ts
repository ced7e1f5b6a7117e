/**
 * How is it going, now? A live view of an executor in the terminal; plain lines where there is none.
 */
export type { WatchOptions, WatchStream } from './options.ts'
export { type WatchDisposer, type Watched, watch } from './watch.ts'

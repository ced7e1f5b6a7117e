/**
 * How does what lives long keep nothing of the one who happened to make it? A hack, and the only one of its kind.
 *
 * Node takes the AsyncLocalStorage stores of the calling code along with each AsyncResource, timer and, on Node 22, promise.
 * What an executor makes for itself would keep those of its constructor, or of the first import, for as long as it lives.
 * There is no public way to make one without: `exit()` leaves one storage, not all. So they are taken away again. They lie
 * under symbols: the first since Node 24; the second there with --no-async-context-frame; the last, one for each store, on
 * Node 22. A Node that knows none of them keeps what it keeps.
 */
import { AsyncResource } from 'node:async_hooks'

const ofContext = new Set<string | undefined>(['context_frame', 'kAsyncLocalStorageContext', 'kResourceStore'])

/** The same resource, which enters an empty context from now on. */
export function withoutContext<T extends object>(resource: T): T {
  for (const key of Object.getOwnPropertySymbols(resource)) {
    if (ofContext.has(key.description)) (resource as Record<symbol, unknown>)[key] = undefined
  }
  return resource
}

/**
 * An AsyncResource that says that it keeps no process alive. Whatever can't say so is blamed by those who look for what is
 * still open, as `jest --detectOpenHandles` does.
 */
export class QuietResource extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

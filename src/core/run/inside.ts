/**
 * Is this code running inside an executor's own run? Step 4 of 7.
 *
 * `close()` waits for running calls; awaited from inside one of them it would wait for itself. So each run carries a
 * mark in an AsyncLocalStorage of its pool, on top of its submitter's context.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { RequestRecord } from '../queued-request.ts'

type Invoke<A, B> = (a: A, b: B) => unknown

export class Inside {
  readonly #storage = new AsyncLocalStorage<Inside>()

  /** Calls `invoke(a, b)` in the context of the record's submitter, with the mark. */
  run<A, B>(record: RequestRecord, invoke: Invoke<A, B>, a: A, b: B): unknown {
    return record.runInAsyncScope(this.#enter as (...args: unknown[]) => unknown, this, invoke, a, b)
  }

  /** Was the calling code started by a run of this pool? */
  get here(): boolean {
    return this.#storage.getStore() === this
  }

  // Called with `this`, so that no closure is made for each run.
  #enter<A, B>(invoke: Invoke<A, B>, a: A, b: B): unknown {
    return this.#storage.run(this, invoke, a, b)
  }
}

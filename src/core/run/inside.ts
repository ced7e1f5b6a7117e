/**
 * Is this code running inside an executor's own run? Step 4 of 7.
 *
 * `close()` waits for running calls; awaited from inside one of them it would wait for itself. So each run carries a
 * mark in an AsyncLocalStorage of its pool, on top of its submitter's context.
 *
 * Entering a storage makes a new context frame, which costs 160–280 ns on Node 24, half of a whole request. But
 * submitters that use no context at all share one frame, the empty one, and so their runs can share one marked frame:
 * 15 ns. Which frame a record has taken along is not public; where it can't be found out, the mark is entered each time.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { RequestRecord } from '../queued-request.ts'

type Invoke<A, B> = (a: A, b: B) => unknown

/** Where an AsyncResource keeps its context frame; undefined where Node has no frames (before 24). */
const frameKey = findFrameKey()

export class Inside {
  readonly #storage = new AsyncLocalStorage<Inside>()
  /** The mark alone, on the empty context. */
  #marked: AsyncResource | undefined = undefined

  /** Has its submitter no context, so that it can run in the mark alone? */
  runsMarked(record: RequestRecord): boolean {
    return frameKey !== undefined && (record as unknown as Framed)[frameKey] === undefined
  }

  /** Calls `invoke(a, b)` in the context of the record's submitter, with the mark. */
  run<A, B>(record: RequestRecord, invoke: Invoke<A, B>, a: A, b: B): unknown {
    if (!this.runsMarked(record)) {
      return record.runInAsyncScope(this.#enter as (...args: unknown[]) => unknown, this, invoke, a, b)
    }
    this.#marked ??= record.runInAsyncScope(() => this.#storage.run(this, () => new AsyncResource('TriageRun')))
    return this.#marked.runInAsyncScope(invoke, undefined, a, b)
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

interface Framed {
  readonly [key: symbol]: unknown
}

function findFrameKey(): symbol | undefined {
  const probe = new AsyncLocalStorage<object>()
  const resource = probe.run({}, () => new AsyncResource('TriageProbe')) as unknown as Framed
  const key = Object.getOwnPropertySymbols(resource).find((symbol) => symbol.description === 'context_frame')
  return key !== undefined && resource[key] !== undefined ? key : undefined
}

/**
 * Which run, if any, is this code a part of? Step 4 of 7.
 *
 * `close()` waits for running calls; awaited from inside one of them it would wait for itself. So each run carries the
 * mark of its slot, in an AsyncLocalStorage on top of its submitter's context.
 *
 * Before Node 24 there are no context frames: the first use of any AsyncLocalStorage installs promise hooks for good, and
 * each `await` of the whole process costs three to four times as much. There no storage is made. A mark lies on the stack
 * instead, and is gone after the synchronous part of the run; `run.close()` says which run it is.
 *
 * Entering a storage makes a new context frame, which costs 160–280 ns on Node 24, half of a whole request. But
 * submitters that use no context at all share one frame, the empty one, and so their runs can share one marked frame for
 * each slot: 15 ns. Which frame a record has taken along is not public; where it can't be found out, the mark is entered
 * each time.
 */
import { AsyncLocalStorage, type AsyncResource } from 'node:async_hooks'
import { frameKey, hasFrames } from '../context.ts'
import type { RequestRecord } from '../request-record.ts'
import { QuietResource } from '../without-context.ts'

type Invoke<A, B> = (a: A, b: B) => unknown

/** Does the mark of a run reach all that it awaits? */
export const marksTasks = hasFrames

/** Had its submitter no context at all? False also where that can't be found out. */
export function hasNoContext(record: RequestRecord): boolean {
  return record.context === undefined
}

/** The marks of a pool: one for each slot. */
export class Marks<Slot extends object> {
  readonly #storage: Storage<Slot> = marksTasks ? new AsyncLocalStorage<Slot>() : new OnStack<Slot>()

  /**
   * The slot whose run the calling code is part of; or was: a task that a run has left behind counts as part of whatever
   * its slot runs now. Where marks lie on the stack, it is undefined after the synchronous part of a run.
   */
  get current(): Slot | undefined {
    return this.#storage.getStore()
  }

  /** The mark alone, to be entered by the runs of submitters without a context. */
  bare(slot: Slot, record: RequestRecord): AsyncResource {
    const make = () => new QuietResource('TriageRun')
    return record.runInAsyncScope(() => this.#storage.run(slot, make, slot, undefined)) as AsyncResource
  }

  /** Calls `invoke(slot, b)` in the context of the record's submitter, with the slot's mark. */
  run<B>(record: RequestRecord, invoke: Invoke<Slot, B>, slot: Slot, b: B): unknown {
    return record.runInAsyncScope(this.#enter as (...args: unknown[]) => unknown, this, invoke, slot, b)
  }

  // Called with `this`, so that no closure is made for each run.
  #enter<B>(invoke: Invoke<Slot, B>, slot: Slot, b: B): unknown {
    return this.enter(invoke, slot, b)
  }

  /** The same in the submitter's context itself, in code after which that is left: a microtask of its own, for one. */
  enter<B>(invoke: Invoke<Slot, B>, slot: Slot, b: B): unknown {
    const storage = this.#storage
    if (frameKey === undefined || storage.enterWith === undefined) return storage.run(slot, invoke, slot, b)
    // One frame instead of the two of `run()`, which makes another one to leave it: 250 ns.
    storage.enterWith(slot)
    return invoke(slot, b)
  }
}

/** What the marks need of an AsyncLocalStorage. */
interface Storage<T> {
  getStore(): T | undefined
  run<B>(store: T, invoke: Invoke<T, B>, a: T, b: B): unknown
  enterWith?(store: T): void
}

/** What is entered until `invoke` returns, and not in what it leaves behind. */
class OnStack<T> implements Storage<T> {
  #store: T | undefined = undefined

  getStore(): T | undefined {
    return this.#store
  }

  run<B>(store: T, invoke: Invoke<T, B>, a: T, b: B): unknown {
    const outer = this.#store
    this.#store = store
    try {
      return invoke(a, b)
    } finally {
      this.#store = outer
    }
  }
}

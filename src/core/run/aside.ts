/**
 * What only some runs have: promises that hold their slot beyond the answer, and word of how far they have come. Step 4 of 7.
 *
 * A model that streams answers at once, with an object whose body comes later. Its caller has that answer at once, too; but
 * the downstream works on until the body has been read, and until then its slot is not free.
 */
import { OptionsError } from '../errors.ts'
import type { RunProgress } from '../queued-request.ts'

const MAX_MESSAGE = 256

/** Of one run; made when the first of it is needed. */
export class Aside {
  /** How many promises have not settled that hold the slot. */
  holds = 0
  /** One of them has rejected. */
  hasFailed = false
  /** The call has fulfilled, and only they keep the slot busy. */
  isAnswered = false
  progress: RunProgress | undefined = undefined

  /** @param over called when the last promise has settled, and the call was answered before */
  hold(promise: Promise<unknown>, over: () => void): void {
    this.holds++
    const done = (): void => {
      if (--this.holds === 0 && this.isAnswered) over()
    }
    promise.then(done, () => {
      this.hasFailed = true
      done()
    })
  }
}

/** A promise for whatever has a `then`, which is read and called once. */
export function adopt(promise: unknown): Promise<unknown> {
  const then = (promise as { then?: unknown } | null | undefined)?.then
  if (typeof then !== 'function') throw new OptionsError('holdUntil', 'a promise', promise)
  return new Promise((resolve, reject) => then.call(promise, resolve, reject))
}

/** @throws {OptionsError} */
export function readProgress(fraction: unknown, message: unknown, at: number): RunProgress {
  if (!(typeof fraction === 'number' && fraction >= 0 && fraction <= 1)) {
    throw new OptionsError('progress', 'a number from 0 to 1', fraction)
  }
  if (message !== undefined && typeof message !== 'string') {
    throw new OptionsError('progress.message', 'a string', message)
  }
  return { fraction, message: message?.slice(0, MAX_MESSAGE), at }
}

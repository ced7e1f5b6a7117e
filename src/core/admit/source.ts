/**
 * What `map()` reads: any source of requests, and how it is read and closed. Step 2 of 7.
 *
 * A stream is more than its iterator: while it is quiet, only the stream itself can be closed.
 */
import { isFunction } from '../checks.ts'
import { OptionsError } from '../errors.ts'

/** Any source of requests: an array, a set, a generator, a stream of Node or of the web. Promises of requests are awaited. */
export type Source<T> = Iterable<T | PromiseLike<T>> | AsyncIterable<T>

/** @throws {OptionsError} for what can't be iterated, and for a string, whose letters nobody means */
export function requireSource(source: unknown): void {
  if (typeof source === 'object' && source !== null) {
    const parts = source as Parts<unknown>
    if ([parts[Symbol.asyncIterator], parts[Symbol.iterator], parts.getReader].some(isFunction)) return
  }
  throw new OptionsError('requests', 'an iterable object, such as an array, a generator or a stream', source)
}

/** What a source may have, beside what it must. */
interface Parts<T> {
  readonly [Symbol.iterator]?: () => Iterator<T | PromiseLike<T>>
  readonly [Symbol.asyncIterator]?: () => AsyncIterator<T>
  /** A web stream has it. */
  readonly getReader?: () => ReadableStreamDefaultReader<T>
  /** A Node stream has both. */
  readonly destroy?: () => unknown
  readonly pipe?: unknown
}

export type Next<T> = IteratorResult<T | PromiseLike<T>, unknown>

/** A source that is read. */
export interface Opened<T> {
  readonly next: () => Next<T> | Promise<Next<T>>
  /** Also while a `next()` has not answered: that of a stream then does. */
  readonly close: () => unknown
}

export function open<T>(source: Source<T>): Opened<T> {
  const parts = source as Parts<T>
  // The iterator of a web stream could not cancel it while it is quiet.
  if (isFunction(parts.getReader)) {
    const reader = parts.getReader()
    return {
      next: async () => {
        const result = await reader.read()
        // Not as soon as the stream is closed: what would answer that it is done, is a read that comes later.
        if (result.done) reader.releaseLock()
        return result
      },
      close: async () => {
        await reader.cancel()
        reader.releaseLock()
      },
    }
  }
  const iterator = parts[Symbol.asyncIterator]?.() ?? (source as Iterable<T>)[Symbol.iterator]()
  return {
    next: () => iterator.next(),
    close: () => {
      // Nor could the one of a Node stream.
      if (isFunction(parts.pipe)) parts.destroy?.()
      return iterator.return?.()
    },
  }
}

/**
 * How fast may a source be read? Only as fast as there are slots and room: `map()`. Step 2 of 7.
 *
 * It asks for room before it pulls, so the source is never read ahead of what can be admitted, and it holds at most
 * `window` requests at a time, answers that nobody has fetched included: memory is bounded at both ends.
 */
import { OptionsError } from '../errors.ts'

export interface PullOptions {
  /**
   * True: results come in the order of the input. False: as they come.
   * @default true
   */
  ordered?: boolean
  /**
   * How many requests may be on their way at a time, answers included that were not fetched yet.
   * @default 2 × concurrency
   */
  window?: number
}

/** @throws {OptionsError} */
export function requirePullOptions(ordered: unknown, window: unknown): void {
  if (typeof ordered !== 'boolean') throw new OptionsError('ordered', 'a boolean', ordered)
  if (window !== undefined && !(Number.isInteger(window) && (window as number) >= 1)) {
    throw new OptionsError('window', 'an integer of at least 1', window)
  }
}

/** Any source of requests: an array, a generator, a stream. */
export type Source<T> = Iterable<T> | AsyncIterable<T>

/** What pulling needs of the executor. */
export interface PullTarget<Req, Res> {
  window(): number
  /** Resolves when there is room. */
  ready(): Promise<void>
  /** Runs a request; blocks for as long as there is no room after all. */
  run(request: Req, signal: AbortSignal): Promise<Res>
}

/**
 * The results of a source's requests. The first error ends it: what is on its way is cancelled, and the source closed.
 * So does the consumer's `break`.
 */
export async function* pull<Req, Res>(
  source: Source<Req>,
  target: PullTarget<Req, Res>,
  ordered: boolean,
): AsyncGenerator<Res, void, undefined> {
  const iterator: Iterator<Req> | AsyncIterator<Req> =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  const stop = new AbortController()
  // What is fetched next: in the order of the input, or as it has arrived.
  const line: Promise<Res>[] = []
  let wake = nothing
  let freed = nothing
  let onTheWay = 0
  let exhausted = false
  let isSourceDone = false
  let failure: { error: unknown } | undefined

  const launch = (request: Req): void => {
    const result = target.run(request, stop.signal)
    onTheWay++
    if (ordered) line.push(result)
    // Also what keeps an error that nobody fetches from being unhandled.
    result.then(
      () => arrived(result),
      () => arrived(result),
    )
  }
  const arrived = (result: Promise<Res>): void => {
    if (!ordered) line.push(result)
    wake()
  }
  const fetch = async (): Promise<IteratorResult<Req>> => {
    try {
      const next = await iterator.next()
      isSourceDone = next.done === true
      return next
    } catch (error) {
      // It is broken, and not to be closed.
      isSourceDone = true
      throw error
    }
  }
  const feed = async (): Promise<void> => {
    try {
      while (!stop.signal.aborted) {
        if (onTheWay >= target.window()) {
          await new Promise<void>((resolve) => {
            freed = resolve
          })
          continue
        }
        await target.ready()
        if (stop.signal.aborted) break
        const next = await fetch()
        if (next.done) break
        if (stop.signal.aborted) break
        launch(next.value)
      }
    } catch (error) {
      failure = { error }
    }
    exhausted = true
    wake()
  }

  const feeding = feed()
  try {
    for (;;) {
      const next = line.shift()
      if (next !== undefined) {
        const value = await next
        onTheWay--
        freed()
        yield value
      } else if (exhausted && onTheWay === 0) {
        if (failure !== undefined) throw failure.error
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    stop.abort(new DOMException('The iteration has ended', 'AbortError'))
    freed()
    // A source that waits for data may never answer again: ask it to close, but don't wait for its last answer first.
    if (!isSourceDone) {
      const closing = iterator.return?.()
      if (closing instanceof Promise) closing.catch(nothing)
    }
    void feeding
  }
}

function nothing(): void {}

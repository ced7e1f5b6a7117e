/**
 * How fast may a source be read? Only as fast as there are slots and room: `map()`. Step 2 of 7.
 *
 * It asks for room before it reads, so the source is never read ahead of what can be admitted, and it holds at most
 * `window` requests at a time, answers that nobody has fetched included: memory is bounded at both ends.
 *
 *     source ──▶ room? ──▶ read ──▶ submitted ──────────▶ line ──▶ consumer
 *                                     ↑   └ refused by a guard, or displaced from a full queue
 *                                     └──────┘ when it would come in; nothing more is read until then
 */
import { isCount } from '../checks.ts'
import { soon } from '../clock.ts'
import {
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  ShedError,
} from '../errors.ts'
import { type Next, type Opened, open, type Source } from './source.ts'

export interface PullOptions {
  /**
   * True: results come in the order of the input. False: in the order in which they are ready.
   * @default true
   */
  ordered?: boolean | undefined
  /**
   * How many requests may be on their way at a time. Answers that were not fetched yet count.
   * @default 2 × concurrency
   */
  window?: number | undefined
}

/** @throws {OptionsError} */
export function requirePullOptions(ordered: unknown, window: unknown): void {
  if (typeof ordered !== 'boolean') throw new OptionsError('ordered', 'a boolean', ordered)
  if (window !== undefined && !isCount(window, 1)) {
    throw new OptionsError('window', 'an integer of at least 1', window)
  }
}

/** Told of one request how it has ended. */
interface PullEnd<Req, Res> {
  resolve(value: Res): void
  reject(error: unknown): void
  /** It was not admitted, or was displaced from a full queue. `checked` is what the schema has made of it. */
  refused(error: unknown, checked: Req): void
}

/** What pulling needs of the executor. */
export interface PullTarget<Req, Res> {
  window(): number
  /** Resolves when there is room, whatever guards say. */
  room(signal: AbortSignal): Promise<void>
  /** Are guards to be asked before a request is submitted? What a schema will make of it is not known by then. */
  readonly asksFirst: boolean
  /** Resolves when there is room, and the guards would let this request in; never in the same turn as a refusal. */
  ready(request: Req, signal: AbortSignal): Promise<void>
  /** Runs a request; blocks for as long as there is no room after all. The schema sees each only once: `checked` is what it made of it. */
  run(request: Req, checked: Checked<Req> | undefined, signal: AbortSignal, end: PullEnd<Req, Res>): void
  /** Calls back with the error for it when the executor closes, until what is returned is called. */
  hears(closed: (error: unknown) => void): () => void
}

/** What a schema has made of a request. */
interface Checked<Req> {
  readonly request: Req
}

interface Item<Req, Res> {
  /** As the source has it. */
  readonly request: Req
  /** It was refused after the schema had seen it. */
  checked: Checked<Req> | undefined
  end: { readonly value: Res } | { readonly error: unknown } | undefined
}

/**
 * The results of a source's requests. The first error ends it: what is on its way is cancelled, and the source closed.
 * So do the consumer's `break`, and an abort of `outer`. When the source fails or the executor closes, the results of what
 * was admitted come first.
 */
export function pull<Req, Res>(
  source: Source<Req>,
  target: PullTarget<Req, Res>,
  ordered: boolean,
  outer?: AbortSignal,
): AsyncGenerator<Res, void, undefined> {
  const stop = new AbortController()
  const { signal } = stop
  // What is fetched next: in the order of the input, or as it has arrived.
  const line: Item<Req, Res>[] = []
  // What a guard has refused, in that order; before it what was displaced, of which the last one goes first.
  const refused: Item<Req, Res>[] = []
  let opened: Opened<Req> | undefined
  let wake = nothing
  let freed = nothing
  let onTheWay = 0
  let isLettingIn = false
  let isFed = false
  let hasLeft = false
  let failure: { readonly error: unknown } | undefined

  /** Nothing more is read. */
  const endFeed = (why?: { readonly error: unknown }): void => {
    if (isFed) return
    isFed = true
    failure = why
    // In a microtask: it is code of the user, and this may be the middle of a step of the executor. A source that waits for
    // data may never answer again: it is asked to close, and neither awaited nor heard. The iteration has an end of its own.
    if (opened !== undefined) soon.then(opened.close).catch(nothing)
    wake()
  }
  /** Whatever is on its way is cancelled. */
  const halt = (reason: unknown): void => {
    stop.abort(reason)
    endFeed()
    wake()
  }
  const leave = (): void => halt(new DOMException('The iteration has ended', 'AbortError'))

  const launch = (request: Req): void => {
    const item: Item<Req, Res> = { request, checked: undefined, end: undefined }
    onTheWay++
    if (ordered) line.push(item)
    submit(item)
  }
  const submit = (item: Item<Req, Res>): void =>
    target.run(item.request, item.checked, signal, {
      resolve: (value) => arrive(item, { value }),
      reject: (error) => arrive(item, { error }),
      refused: (error, checked) => {
        if (!isWaitedOut(error)) {
          dismiss(item, error)
          return
        }
        if (error instanceof ShedError) refused.unshift(item)
        else refused.push(item)
        // Whom it could not look at yet it has not seen.
        if (!isUnseen(error)) item.checked = { request: checked }
        if (!isLettingIn) void letIn()
      },
    })
  /** Submits what was refused again, one at a time, whenever the guards would let it in. */
  const letIn = async (): Promise<void> => {
    isLettingIn = true
    for (let [item] = refused; item !== undefined; [item] = refused) {
      try {
        await target.ready((item.checked ?? item).request, signal)
      } catch (error) {
        refused.splice(refused.indexOf(item), 1)
        dismiss(item, error)
        continue
      }
      // Another one may have been displaced meanwhile, which goes before it.
      if (item !== refused[0]) continue
      refused.shift()
      submit(item)
    }
    isLettingIn = false
    freed()
  }
  const arrive = (item: Item<Req, Res>, end: Item<Req, Res>['end']): void => {
    item.end = end
    if (!ordered) line.push(item)
    wake()
  }
  /** It will not come in. When that is for the close of the executor, the others that came in still have their answers. */
  const dismiss = (item: Item<Req, Res>, error: unknown): void => {
    if (!(error instanceof QueueClosedError)) {
      arrive(item, { error })
      return
    }
    onTheWay--
    if (ordered) line.splice(line.indexOf(item), 1)
    failure ??= { error }
    wake()
  }

  const feed = async (from: Opened<Req>): Promise<void> => {
    try {
      for (;;) {
        while (isLettingIn || onTheWay >= target.window()) {
          await new Promise<void>((resolve) => {
            freed = resolve
          })
        }
        await target.room(signal)
        if (isFed) return
        const next = await read(from)
        if (next.done) {
          endFeed()
          return
        }
        const request = await next.value
        if (target.asksFirst && !isFed) await target.ready(request, signal)
        if (isFed) return
        launch(request)
      }
    } catch (error) {
      endFeed({ error })
    }
  }
  const read = async ({ next }: Opened<Req>): Promise<Next<Req>> => {
    let isOver = true
    try {
      const result = await next()
      isOver = result.done === true
      return result
    } finally {
      // What has ended or is broken is not to be closed.
      if (isOver) opened = undefined
    }
  }

  async function* iterate(): AsyncGenerator<Res, void, undefined> {
    opened = open(source)
    const aborted = (): void => halt(outer?.reason)
    const unhear = target.hears((error) => endFeed({ error }))
    try {
      outer?.addEventListener('abort', aborted, { once: true })
      if (outer?.aborted) aborted()
      void feed(opened)
      for (;;) {
        if (hasLeft) return
        signal.throwIfAborted()
        const end = line[0]?.end
        if (end !== undefined) {
          line.shift()
          onTheWay--
          freed()
          if ('error' in end) throw end.error
          yield end.value
        } else if (isFed && onTheWay === 0) {
          if (failure !== undefined) throw failure.error
          return
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    } finally {
      leave()
      unhear()
      outer?.removeEventListener('abort', aborted)
    }
  }

  const results = iterate()
  // A generator keeps these waiting until its `next()` has answered, which a quiet source may never let happen.
  const { return: returns, throw: throws } = results
  const left = (): void => {
    hasLeft = true
    leave()
  }
  results.return = (value) => {
    left()
    return returns.call(results, value)
  }
  results.throw = (error) => {
    left()
    return throws.call(results, error)
  }
  return results
}

/** Does it pass, for load or for a rate? One that starts later never fits where nothing may wait. */
function isWaitedOut(error: unknown): boolean {
  if (error instanceof QueueFullError) return !error.neverFits
  return error instanceof RateLimitedError || error instanceof OverloadedError || error instanceof ShedError
}

/** As many were looked at as may be. */
function isUnseen(error: unknown): boolean {
  return error instanceof QueueFullError && error.bound === 'checking'
}

function nothing(): void {}

/**
 * When is it drawn, and where to? The timer and the stream of a view; what is drawn is in `view.ts` and `plain.ts`.
 *
 * The model: a timer that keeps no process alive looks at `getStatus()`, so a request costs nothing more for being
 * watched. A frame that is the same as the last is not written, and none is written to a stream that can't keep up.
 */
import { styleText } from 'node:util'
import { hasMethods } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { ExecutorEvent, Listener } from '../core/watch/events.ts'
import type { ExecutorStatus } from '../core/watch/status.ts'
import { readWatchOptions, type WatchOptions, type WatchSettings } from './options.ts'
import { facts, plainLine } from './plain.ts'
import { Rate } from './rate.ts'
import { Screen } from './screen.ts'
import { drawLine, type Paint } from './text.ts'
import { liveLines, type View } from './view.ts'

/** What the view needs of an executor: a `QueuedExecutor` has it. */
export interface Watched {
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  getStatus(): ExecutorStatus
}

/** Ends the view, once: draws the last state, leaves it where it is, and lets go of stream, timer and executor. */
export type WatchDisposer = (() => void) & Disposable

/**
 * Shows how an executor is doing, until it is closed or the view disposed: drawn in place on a TTY, one plain line every
 * few seconds anywhere else. While it is drawn, print nothing else to the same terminal, another view included: it would be drawn over.
 *
 * Quantiles and totals are since the executor was made, rates the mean of the last five seconds.
 * @throws {OptionsError}
 */
export function watch(executor: Watched, options?: WatchOptions): WatchDisposer {
  if (!hasMethods(executor, 'on', 'off', 'getStatus')) throw new OptionsError('executor', 'a QueuedExecutor', executor)
  const viewer = new Viewer(executor, readWatchOptions(options))
  const dispose = (): void => viewer.stop()
  return Object.assign(dispose, { [Symbol.dispose]: dispose })
}

class Viewer {
  readonly #executor: Watched
  readonly #settings: WatchSettings
  readonly #paint: Paint
  readonly #completed = new Rate()
  readonly #refused = new Rate()
  readonly #screen = new Screen()
  #mostWaiting = 0
  /** What was shown last. */
  #shown: string | undefined
  #timer: unknown
  #stopped = false

  constructor(executor: Watched, settings: WatchSettings) {
    this.#executor = executor
    this.#settings = settings
    this.#paint = settings.colors
      ? (style, text) => styleText(style, text, { validateStream: false })
      : (_style, text) => text
    const view = this.#look()
    if (settings.isLive) this.#show(view)
    else this.#shown = facts(view.status)
    if (view.status.state === 'closed' || this.#stopped) {
      this.#stopped = true
      return
    }
    executor.on('closed', this.#onClosed)
    settings.stream.on?.('error', this.#abandon)
    this.#arm()
  }

  stop(): void {
    if (this.#stopped) return
    this.#show(this.#look())
    this.#abandon()
  }

  readonly #onClosed = (): void => this.stop()

  /** Nothing can be shown any more, or nothing is wanted: a view must never be what brings a process down. */
  readonly #abandon = (): void => {
    if (this.#stopped) return
    this.#stopped = true
    const { clock, stream } = this.#settings
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer)
    this.#executor.off('closed', this.#onClosed)
    stream.off?.('error', this.#abandon)
  }

  #arm(): void {
    const { clock, intervalMs } = this.#settings
    this.#timer = clock.setTimeout(() => {
      this.#show(this.#look())
      if (!this.#stopped) this.#arm()
    }, intervalMs)
    // A clock's handle is a timer, or holds one.
    const timer = this.#timer as { handle?: { unref?(): void }; unref?(): void } | undefined
    const handle = timer?.handle ?? timer
    handle?.unref?.()
  }

  #look(): View {
    const status = this.#executor.getStatus()
    const now = this.#settings.clock.now()
    this.#completed.look(now, status.totals.completed)
    this.#refused.look(now, status.totals.rejected)
    this.#mostWaiting = Math.max(this.#mostWaiting, status.waiting)
    const pace = ({ perSecond, lastMinute }: Rate) => ({ perSecond, lastMinute })
    return {
      status,
      completed: pace(this.#completed),
      refused: pace(this.#refused),
      mostWaiting: this.#mostWaiting,
    }
  }

  #show(view: View): void {
    const { stream, isLive } = this.#settings
    try {
      if (stream.destroyed === true) this.#abandon()
      else if (stream.writableNeedDrain === true) return
      else if (isLive) this.#showLive(view)
      else this.#showPlain(view)
    } catch {
      this.#abandon()
    }
  }

  #showLive(view: View): void {
    const { stream } = this.#settings
    const columns = sizeOr(stream.columns, 80)
    const rows = sizeOr(stream.rows, 24)
    // A column stays free: in the last one some terminals wrap at once. And a row, for the cursor.
    const lines = liveLines(view, columns - 1).slice(0, Math.max(rows - 1, 1))
    const drawn = lines.map((line) => drawLine(line, columns - 1, this.#paint))
    const shown = `${columns}\n${drawn.map(({ text }) => text).join('\n')}`
    if (shown === this.#shown) return
    this.#shown = shown
    stream.write(this.#screen.replace(drawn, columns))
  }

  #showPlain(view: View): void {
    const shown = facts(view.status)
    if (shown === this.#shown) return
    this.#shown = shown
    this.#settings.stream.write(`${plainLine(view)}\n`)
  }
}

/** Some terminals say 0 when they don't know. */
function sizeOr(size: number | undefined, otherwise: number): number {
  return size !== undefined && size > 0 ? size : otherwise
}

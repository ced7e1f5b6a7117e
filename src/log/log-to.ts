/**
 * Who writes it down? One structured line for each thing that has gone wrong, in the user's own logger.
 *
 * The model: an event ─▶ its kind (the event; for refusals, with the reason) ─▶ a token? ─▶ a line. Without a token it is
 * counted, and the count is said by the next line of its kind, or else by a line of its own: when nothing runs any more,
 * when it is five seconds old, when the executor closes, or at dispose. There is no timer: these moments are events, and
 * those that only serve to notice them are listened to only while there is something to say.
 */
import { stackOf } from '../core/any-value.ts'
import { hasMethods } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { ExecutorEvent, ExecutorEvents, Listener } from '../core/watch/events.ts'
import type { ExecutorStatus } from '../core/watch/status.ts'
import { Kind, TokenBucket } from './limiter.ts'
import { type LogEvent, lines, logEvents } from './lines.ts'
import { type Fields, type Logger, writeTo } from './logger.ts'
import { type LogOptions, type LogSettings, readLogOptions } from './options.ts'
import { Writer } from './writer.ts'

/** What the log needs of an executor: a `QueuedExecutor` has it. */
export interface Logged {
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  getStatus(): ExecutorStatus
}

/** Ends the log, once: says what was held back, and takes all listeners away. */
export type LogDisposer = (() => void) & Disposable

/** How long what was held back may stay unsaid while the executor goes on. */
const SUMMARY_MS = 5_000

/**
 * Writes what goes wrong in an executor to a logger, until it is disposed. Lines about a request are written in its
 * submitter's AsyncLocalStorage context.
 *
 * A logger that throws or rejects hurts nothing: it is reported as any listener is, once until a line has worked again;
 * lines that were lost because it threw are counted as held back.
 * @throws {OptionsError}
 */
export function logTo(executor: Logged, logger: Logger, options?: LogOptions): LogDisposer {
  if (!hasMethods(executor, 'on', 'off', 'getStatus')) throw new OptionsError('executor', 'a QueuedExecutor', executor)
  const settings = readLogOptions(logger, options)
  const log = new Log(executor, settings, new Writer(writeTo(logger, settings.shape)))
  const dispose = (): void => log.dispose()
  return Object.assign(dispose, { [Symbol.dispose]: dispose })
}

class Log {
  readonly #executor: Logged
  readonly #settings: LogSettings
  readonly #writer: Writer
  readonly #queue: string
  readonly #kinds = new Map<string, Kind>()
  /** For an executor that is idle again and again: what it holds back must not become a flood of its own. */
  readonly #idleSummaries: TokenBucket
  readonly #summaryMs: number
  readonly #detach: (() => void)[] = []
  /** Takes away what is only listened to while lines are held back. */
  #stopNoticing: (() => void) | undefined
  #disposed = false

  constructor(executor: Logged, settings: LogSettings, writer: Writer) {
    this.#executor = executor
    this.#settings = settings
    this.#writer = writer
    this.#queue = executor.getStatus().name
    this.#idleSummaries = new TokenBucket(settings.perSecond, settings.burst)
    this.#summaryMs = Math.max(SUMMARY_MS, 1000 / settings.perSecond)
    this.#detach.push(this.#on('closed', ({ at }) => this.#summarise(at, () => true)))
    for (const event of logEvents) {
      if (settings.levels[event] !== 'off') this.#detach.push(this.#on(event, (news) => this.#hear(event, news)))
    }
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    for (const detach of this.#detach) detach()
    this.#stopNoticing?.()
    for (const kind of this.#kinds.values()) this.#tellHeld(kind)
    try {
      this.#writer.report()?.catch(warn)
    } catch (error) {
      warn(error)
    }
  }

  /** @returns what takes it away again */
  #on<E extends ExecutorEvent>(event: E, handle: (news: ExecutorEvents[E]) => void): () => void {
    const listener: Listener<E> = (news) => {
      // Disposed by another listener of this very event.
      if (this.#disposed) return undefined
      handle(news)
      return this.#writer.report()
    }
    this.#executor.on(event, listener)
    return () => this.#executor.off(event, listener)
  }

  #hear<E extends LogEvent>(event: E, news: ExecutorEvents[E]): void {
    this.#summariseOverdue(news.at)
    const { errorQueue, ...about } = lines[event].fields(news)
    const kind = this.#kindOf(event, about.reason as string | undefined)
    if (!kind.bucket.take(news.at)) {
      this.#holdBack(kind, news.at)
      return
    }
    const { held } = kind
    const fields = {
      queue: this.#queue,
      event,
      ...about,
      // It comes from a queue inside this one.
      ...(errorQueue !== undefined && errorQueue !== this.#queue && { errorQueue }),
      ...this.#payload(event, news),
      ...(held > 0 && { suppressed: held }),
    }
    kind.held = 0
    const good = lines[event].good?.(news)
    const level = good === undefined ? this.#settings.levels[event] : 'info'
    if (this.#writer.write(level, fields, good ?? lines[event].message)) return
    kind.held += held
    this.#holdBack(kind, news.at)
  }

  #kindOf(event: LogEvent, reason: string | undefined): Kind {
    const key = reason === undefined ? event : `${event} ${reason}`
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      const { perSecond, burst } = this.#settings
      kind = new Kind(event, reason, new TokenBucket(perSecond, burst))
      this.#kinds.set(key, kind)
    }
    return kind
  }

  #payload(event: LogEvent, news: object): Fields {
    const { redact } = this.#settings
    if (redact === undefined || !('request' in news && 'metadata' in news)) return {}
    try {
      const payload = redact({ request: news.request, metadata: news.metadata }, event)
      return payload === undefined ? {} : { payload }
    } catch (error) {
      this.#writer.fails(error)
      return { payload: 'not shown, since the redactor has thrown' }
    }
  }

  #holdBack(kind: Kind, at: number): void {
    kind.holdBack(at)
    if (this.#stopNoticing !== undefined || this.#disposed) return
    // A request that starts shows that time goes on, an idle executor that nothing more will come.
    const detach = [
      this.#on('started', (news) => this.#summariseOverdue(news.at)),
      this.#on('idle', (news) => this.#summarise(news.at, () => this.#idleSummaries.take(news.at))),
    ]
    this.#stopNoticing = () => {
      for (const each of detach) each()
      this.#stopNoticing = undefined
    }
  }

  #summariseOverdue(at: number): void {
    this.#summarise(at, (kind) => kind.isOverdue(this.#summaryMs, at))
  }

  #summarise(at: number, isDue: (kind: Kind) => boolean): void {
    if (this.#stopNoticing === undefined) return
    let held = 0
    for (const kind of this.#kinds.values()) {
      if (kind.held > 0 && isDue(kind)) this.#tellHeld(kind, at)
      held += kind.held
    }
    if (held === 0) this.#stopNoticing()
  }

  /** A line of its own for what was held back of a kind. */
  #tellHeld(kind: Kind, at = 0): void {
    const { event, reason, held } = kind
    if (held === 0) return
    const fields = { queue: this.#queue, event: 'suppressed', of: event, ...(reason && { reason }), suppressed: held }
    kind.held = 0
    if (this.#writer.write(this.#settings.levels[event], fields, 'log lines suppressed')) return
    kind.holdBack(at)
    kind.held = held
  }
}

/** Nothing listens any more, so nobody else would be told. */
function warn(error: unknown): void {
  process.emitWarning('The logger has failed while the log was ended', {
    type: 'TriageQueueWarning',
    code: 'TRIAGE_LISTENER_ERROR',
    detail: stackOf(error),
  })
}

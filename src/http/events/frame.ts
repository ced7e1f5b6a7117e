/**
 * What is told of an event? A frame: plain, without payloads, results, metadata and messages of errors.
 */
import type { ExecutorEvent } from '../../index.ts'
import type { Level } from '../access.ts'
import { errorViewOf } from '../recent-ends.ts'

/** Besides the events of the executor. */
export type FrameEvent = ExecutorEvent | 'snapshot' | 'stats' | 'gap' | 'audit' | 'bye'

/** What each event carries, besides `id` and `priority`; an `error` as its name and code. */
const carried: { readonly [E in ExecutorEvent]: readonly string[] } = {
  queued: ['waiting'],
  rejected: ['reason', 'error'],
  blocked: ['blocked'],
  started: ['waitMs', 'delayMs', 'attempt'],
  retrying: ['attempt', 'delayMs', 'error'],
  progress: ['attempt', 'progress', 'message'],
  completed: ['waitMs', 'runMs'],
  failed: ['waitMs', 'runMs', 'attempts', 'notRetried', 'error'],
  expired: ['started', 'attempts', 'error'],
  cancelled: ['started', 'error'],
  shed: ['error'],
  joined: [],
  full: ['waiting', 'maxQueueSize'],
  idle: [],
  paused: [],
  resumed: [],
  resized: ['from', 'to'],
  stuck: ['slot', 'runMs', 'stuckWorkers'],
  selfWaiting: ['awaits', 'concurrency'],
  parked: ['started'],
  unrecorded: [],
  store: ['state', 'error'],
  closed: [],
}

export const executorEvents = Object.keys(carried) as readonly ExecutorEvent[]

/** The state that a request is in after it. */
const stateAfter: { readonly [E in ExecutorEvent]?: string } = {
  ...{ queued: 'waiting', blocked: 'blocked', started: 'running', progress: 'running', stuck: 'running' },
  ...{ retrying: 'retrying', completed: 'completed', failed: 'failed', expired: 'expired', cancelled: 'cancelled' },
  ...{ shed: 'shed', rejected: 'rejected', parked: 'parked' },
}

interface About {
  readonly id?: string | undefined
  readonly priority?: string | undefined
}

/** One event, as it is sent. Its text is made when somebody reads it, and then kept. */
export class Frame {
  readonly seq: number
  readonly queue: string | undefined
  readonly event: FrameEvent
  readonly id: string | undefined
  readonly priority: string | undefined
  readonly state: string | undefined
  /** The least that may see it. */
  readonly level: Level
  readonly #at = Date.now()
  readonly #more: { readonly [name: string]: unknown }
  #text: string | undefined
  #wholeText: string | undefined

  constructor(
    seq: number,
    queue: string | undefined,
    event: FrameEvent,
    { id, priority }: About,
    more: { readonly [name: string]: unknown },
    level: Level = 'viewer',
  ) {
    this.seq = seq
    this.queue = queue
    this.event = event
    this.id = id
    this.priority = priority
    this.state = stateAfter[event as ExecutorEvent]
    this.level = level
    this.#more = more
  }

  /** Of what an executor has told. What a request is about is not held by it. */
  static of(seq: number, queue: string, event: ExecutorEvent, told: { readonly [name: string]: unknown }): Frame {
    const more: Record<string, unknown> = {}
    for (const name of carried[event]) {
      const value = told[name]
      if (name !== 'error') more[name] = value
      else if (value !== undefined) Object.assign(more, refusalOf(value))
    }
    return new Frame(seq, queue, event, told as About, more)
  }

  /** @param isWhole with what only whoever may see all requests may see */
  text(isWhole: boolean): string {
    const { message, ...rest } = this.#more
    if (isWhole && message !== undefined) {
      this.#wholeText ??= this.#textWith(this.#more)
      return this.#wholeText
    }
    this.#text ??= this.#textWith(rest)
    return this.#text
  }

  #textWith(more: object): string {
    const { seq, queue, event, id, priority, state } = this
    return JSON.stringify({
      v: 1,
      seq,
      at: new Date(this.#at).toISOString(),
      queue,
      event,
      id,
      priority,
      state,
      ...more,
    })
  }
}

/** Why it was refused, in numbers, and what its error is called. */
export function refusalOf(error: unknown): object {
  const { explain, retryAfterMs } = (typeof error === 'object' && error !== null ? error : {}) as {
    explain?: unknown
    retryAfterMs?: unknown
  }
  return {
    error: errorViewOf(error, false),
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
    ...(typeof explain === 'object' && { explain }),
  }
}

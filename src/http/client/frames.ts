/**
 * The events of a service, as long as somebody listens: read from a stream that is opened again when it is cut, and goes on where it was.
 */
import type { ExecutorEvent } from '../../index.ts'
import { type Calls, pause } from './calls.ts'

/** A frame, as it came. */
export interface ReadFrame {
  readonly event: string
  readonly id?: string
  readonly [member: string]: unknown
}

type Listener = (frame: never) => unknown

const RETRY_MS = 500
const PATIENCE_MS = 3_000
/** There is at least one frame each second: without any for so long the connection is dead. */
const SILENCE_MS = 15_000

export class Frames {
  readonly #calls: Calls
  readonly #queue: string
  readonly #listeners = new Map<string, Set<Listener>>()
  #reading: AbortController | undefined
  #last: string | undefined
  /** What is taken off the ids that listeners are told. */
  prefix = ''
  #isOpen = false
  readonly #waiting = new Set<() => void>()

  constructor(calls: Calls, queue: string) {
    this.#calls = calls
    this.#queue = queue
  }

  on(event: ExecutorEvent | 'any', listener: Listener): void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
    if (this.#reading !== undefined) return
    this.#reading = new AbortController()
    void this.#read(this.#reading.signal)
  }

  off(event: ExecutorEvent | 'any', listener: Listener): void {
    const listeners = this.#listeners.get(event)
    listeners?.delete(listener)
    if (listeners?.size === 0) this.#listeners.delete(event)
    if (this.#listeners.size === 0) this.close()
  }

  /** Fulfils when what happens from now on will be told, or when that takes too long. At once when nobody listens. */
  async opened(): Promise<void> {
    if (this.#reading !== undefined && !this.#isOpen) await this.#next()
  }

  /** Fulfils when all that has happened so far has been told. */
  async caughtUp(): Promise<void> {
    if (this.#reading !== undefined) await this.#next()
  }

  /** A snapshot, or the numbers that come once a second: what was before has been told by then. */
  #next(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, PATIENCE_MS)
      this.#waiting.add(done)
    })
  }

  close(): void {
    for (const done of this.#waiting) done()
    this.#listeners.clear()
    this.#reading?.abort()
    this.#reading = undefined
    this.#isOpen = false
  }

  async #read(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#stream(signal)
      } catch {
        // It was cut, or could not be opened: once more.
      }
      await pause(RETRY_MS * (0.5 + Math.random()), signal).catch(() => {})
    }
  }

  async #stream(signal: AbortSignal): Promise<void> {
    const dead = new AbortController()
    const stop = (): void => dead.abort()
    signal.addEventListener('abort', stop, { once: true })
    let silence = setTimeout(stop, SILENCE_MS)
    try {
      const headers = this.#last === undefined ? {} : { 'last-event-id': this.#last }
      const path = `/v1/events?queue=${encodeURIComponent(this.#queue)}`
      const response = await this.#calls.fetch(
        this.#calls.url + path,
        this.#calls.init('GET', { headers, signal: dead.signal }),
      )
      if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`)
      const decoder = new TextDecoder()
      let text = ''
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        clearTimeout(silence)
        silence = setTimeout(stop, SILENCE_MS)
        text += decoder.decode(chunk, { stream: true })
        const blocks = text.split('\n\n')
        text = blocks.pop() as string
        for (const block of blocks) this.#tell(block)
      }
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', stop)
      dead.abort()
    }
  }

  #tell(block: string): void {
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (data === undefined) return
    this.#last = /^id: (.*)$/m.exec(block)?.[1] ?? this.#last
    const frame = JSON.parse(data) as ReadFrame
    const isMark = frame.event === 'snapshot' || frame.event === 'stats'
    if (isMark) {
      this.#isOpen = true
      for (const done of this.#waiting) done()
    }
    const isOwn = this.prefix !== '' && frame.id?.startsWith(this.prefix) === true
    const own = isOwn ? { ...frame, id: frame.id?.slice(this.prefix.length) } : frame
    for (const [name, told] of [
      [frame.event, own],
      ['any', frame],
    ] as const) {
      for (const listener of this.#listeners.get(name) ?? []) {
        try {
          listener(told as never)
        } catch (error) {
          process.emitWarning(`A listener of '${name}' has thrown`, {
            type: 'TriageQueueWarning',
            detail: String(error),
          })
        }
      }
    }
  }
}

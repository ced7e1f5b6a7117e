/**
 * Who listens to the events, and what do they still have to read? One ring for all; a listener is a place in it.
 *
 * Nothing is buffered for one listener: whoever reads slowly falls out of the ring, is told so by a `gap`, and goes on from a
 * snapshot. So memory is bounded by the ring, however many read however slowly. Who takes nothing for half a minute is let go.
 *
 * Without a listener nothing is recorded but the count, so that a service that nobody looks at pays 20 ns for an event.
 */
import { randomBytes } from 'node:crypto'
import type { ExecutorEvent } from '../../index.ts'
import type { Level } from '../access.ts'
import { HttpProblem } from '../problem.ts'
import type { ServedQueue } from '../served-queue.ts'
import { EventClient, type Filter, type Item, type Source, type Start } from './event-client.ts'
import { executorEvents, Frame } from './frame.ts'

export interface HubOptions {
  readonly maxClients: number
  readonly ringSize: number
  /** What a newcomer is told of the queues; made at each ask. */
  readonly snapshot: (queues: readonly ServedQueue[]) => Promise<object>
  readonly stats: (queue: ServedQueue) => Promise<object>
}

const STATS_MS = 1_000
/** For so long after the last listener has gone one can resume. */
const RESUME_MS = 60_000
const TAKE_BYTES = 65_536

export class Hub implements Source {
  readonly #options: HubOptions
  readonly #queues: ReadonlyMap<string, ServedQueue>
  readonly #boot = randomBytes(4).toString('hex')
  readonly #clients = new Set<EventClient>()
  #ring: (Frame | undefined)[] = []
  /** The number of the last frame, and of the last one that was not recorded. */
  #seq = 0
  #unrecorded = 0
  #isRecording = false
  #timer: NodeJS.Timeout | undefined
  #stopping: NodeJS.Timeout | undefined
  #isClosed = false
  readonly #leave: (() => void)[] = []

  constructor(queues: ReadonlyMap<string, ServedQueue>, options: HubOptions) {
    this.#queues = queues
    this.#options = options
    for (const queue of queues.values()) for (const event of executorEvents) this.#listen(queue, event)
  }

  #listen({ name, executor }: ServedQueue, event: ExecutorEvent): void {
    const listener = (told: object): void => {
      this.#seq++
      if (this.#isRecording)
        this.#record(Frame.of(this.#seq, name, event, told as { readonly [member: string]: unknown }))
      else this.#unrecorded = this.#seq
    }
    executor.on(event, listener)
    this.#leave.push(() => executor.off(event, listener))
  }

  /** Something that the service itself has done. */
  audit(queue: string | undefined, id: string | undefined, more: { readonly [name: string]: unknown }): void {
    this.#seq++
    if (this.#isRecording) this.#record(new Frame(this.#seq, queue, 'audit', { id }, more, 'operator'))
    else this.#unrecorded = this.#seq
  }

  #record(frame: Frame): void {
    this.#ring[frame.seq % this.#options.ringSize] = frame
    for (const client of this.#clients) client.wake()
  }

  get clients(): number {
    return this.#clients.size
  }

  get seq(): number {
    return this.#seq
  }

  /** The last frame that is not in the ring. */
  get #before(): number {
    return Math.max(this.#unrecorded, this.#seq - this.#options.ringSize)
  }

  /** @throws {HttpProblem} 503 when as many listen as may */
  connect(filter: Filter, level: Level, lastEventId: string | undefined): EventClient {
    if (this.#isClosed) throw new HttpProblem(503, 'CLOSING')
    if (this.#clients.size >= this.#options.maxClients) {
      throw new HttpProblem(503, 'TOO_MANY_CLIENTS', undefined, {
        retryAfterMs: 10_000,
        headers: { 'retry-after': '10' },
      })
    }
    const [, boot, number] = /^([\da-f]{8})\.(\d{1,15})$/.exec(lastEventId ?? '') ?? []
    const from = boot === this.#boot ? Number(number) : undefined
    const isInRing = from !== undefined && this.#isRecording && from >= this.#before && from <= this.#seq
    this.#isRecording = true
    clearTimeout(this.#stopping)
    this.#timer ??= setInterval(() => void this.#tick(), STATS_MS)
    const start: Start = isInRing
      ? { cursor: from, greeting: undefined }
      : {
          cursor: this.#seq,
          greeting: lastEventId === undefined ? 'snapshot' : { missed: missedSince(from, this.#seq) },
        }
    const client = new EventClient(this, filter, level, start)
    this.#clients.add(client)
    return client
  }

  disconnect(client: EventClient): void {
    if (!this.#clients.delete(client) || this.#clients.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#isClosed) return
    this.#stopping = setTimeout(() => this.#forget(), RESUME_MS)
    this.#stopping.unref()
  }

  #forget(): void {
    this.#isRecording = false
    this.#unrecorded = this.#seq
    this.#ring = []
  }

  async #tick(): Promise<void> {
    const texts = new Map<string, string>()
    for (const queue of this.#queues.values()) {
      try {
        texts.set(queue.name, this.#unnumbered('stats', queue.name, await this.#options.stats(queue)))
      } catch {
        // One elsewhere does not answer.
      }
    }
    for (const client of this.#clients) client.tick(texts)
  }

  /** Frames after a place, up to some kilobytes; undefined when the place is not in the ring any more. */
  after(
    cursor: number,
    accepts: (frame: Frame) => boolean,
    isWhole: boolean,
  ): { items: Item[]; cursor: number } | undefined {
    if (cursor < this.#before) return undefined
    const items: Item[] = []
    let bytes = 0
    let at = cursor
    while (at < this.#seq && bytes < TAKE_BYTES) {
      const frame = this.#ring[++at % this.#options.ringSize] as Frame
      if (!accepts(frame)) continue
      const text = frame.text(isWhole)
      bytes += text.length
      items.push({ id: this.idAt(at), text })
    }
    return { items, cursor: at }
  }

  idAt(seq: number): string {
    return `${this.#boot}.${seq}`
  }

  async snapshot(filter: Filter): Promise<Item> {
    const seq = this.#seq
    const queues = [...this.#queues.values()].filter(({ name }) => filter.queue === undefined || filter.queue === name)
    const more = { boot: this.#boot, ...(await this.#options.snapshot(queues)) }
    return { id: this.idAt(seq), text: this.#unnumbered('snapshot', filter.queue, more, seq) }
  }

  gap(missed: number | null): Item {
    return { id: undefined, text: this.#unnumbered('gap', undefined, { missed }) }
  }

  bye(): Item {
    return { id: undefined, text: this.#unnumbered('bye', undefined, {}) }
  }

  #unnumbered(
    event: 'snapshot' | 'stats' | 'gap' | 'bye',
    queue: string | undefined,
    more: object,
    seq = this.#seq,
  ): string {
    return new Frame(seq, queue, event, {}, more as { readonly [name: string]: unknown }).text(true)
  }

  /** Everyone is told, and nothing is left. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    clearTimeout(this.#stopping)
    for (const leave of this.#leave.splice(0)) leave()
    for (const client of this.#clients) client.end()
    this.#ring = []
  }
}

function missedSince(from: number | undefined, seq: number): number | null {
  return from === undefined || from > seq ? null : seq - from
}

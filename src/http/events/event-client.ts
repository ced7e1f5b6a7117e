/**
 * One that listens to the events: a place in the ring, and what is sent from there.
 */
import { isAtLeast, type Level, levels } from '../access.ts'
import type { Frame } from './frame.ts'

/** Which frames one wants. */
export interface Filter {
  readonly queue: string | undefined
  readonly states: ReadonlySet<string> | undefined
  readonly events: ReadonlySet<string> | undefined
  readonly priority: string | undefined
  readonly id: string | undefined
}

/** What is sent: a frame, and the place in the ring that one has read up to with it. */
export interface Item {
  readonly id: string | undefined
  readonly text: string
}

const IDLE_MS = 30_000

/** What it reads from. */
export interface Source {
  readonly seq: number
  after(
    cursor: number,
    accepts: (frame: Frame) => boolean,
    isWhole: boolean,
  ): { readonly items: readonly Item[]; readonly cursor: number } | undefined
  snapshot(filter: Filter): Promise<Item>
  gap(missed: number | null): Item
  bye(): Item
  disconnect(client: EventClient): void
}

export interface Start {
  readonly cursor: number
  readonly greeting: 'snapshot' | { readonly missed: number | null } | undefined
}

/** One that listens: a place in the ring. */
export class EventClient {
  readonly #hub: Source
  readonly #filter: Filter
  readonly #isWhole: boolean
  readonly #level: Level
  #cursor: number
  #greeting: Start['greeting']
  #stats: readonly string[] = []
  #waiting: (() => void) | undefined
  #isEnding = false
  #isOver = false
  #takenAt = Date.now()
  /** Called when it is let go for reading nothing. */
  onDrop: (() => void) | undefined

  constructor(hub: Source, filter: Filter, level: Level, { cursor, greeting }: Start) {
    this.#hub = hub
    this.#filter = filter
    this.#level = level
    this.#isWhole = isAtLeast(level, 'operator')
    this.#cursor = cursor
    this.#greeting = greeting
  }

  readonly #accepts = (frame: Frame): boolean => {
    const { queue, states, events, priority, id } = this.#filter
    if (levels.indexOf(frame.level) > levels.indexOf(this.#level)) return false
    if (queue !== undefined && frame.queue !== queue) return false
    if (events !== undefined && !events.has(frame.event)) return false
    if (id !== undefined && frame.id !== id) return false
    if (frame.priority === undefined) return true
    return (
      (priority === undefined || frame.priority === priority) && (states === undefined || states.has(frame.state ?? ''))
    )
  }

  /** What comes next, as soon as there is something; undefined: it is over. To be asked again when that was sent. */
  async next(): Promise<readonly Item[] | undefined> {
    for (;;) {
      this.#takenAt = Date.now()
      if (this.#isOver) return undefined
      if (this.#isEnding) {
        this.close()
        return [this.#hub.bye()]
      }
      const items = await this.#take()
      if (items.length > 0) return items
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }

  async #take(): Promise<Item[]> {
    const greeting = this.#greeting
    this.#greeting = undefined
    if (greeting === 'snapshot') return [await this.#snapshot()]
    if (greeting !== undefined) return [this.#hub.gap(greeting.missed), await this.#snapshot()]
    const stats = this.#stats.map((text) => ({ id: undefined, text }))
    this.#stats = []
    const taken = this.#hub.after(this.#cursor, this.#accepts, this.#isWhole)
    if (taken === undefined) return [this.#hub.gap(this.#hub.seq - this.#cursor), await this.#snapshot()]
    this.#cursor = taken.cursor
    return [...taken.items, ...stats]
  }

  #snapshot(): Promise<Item> {
    this.#cursor = this.#hub.seq
    return this.#hub.snapshot(this.#filter)
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  /** Once a second: how it stands. Of those that were not read the last remains. */
  tick(texts: ReadonlyMap<string, string>): void {
    if (this.#waiting === undefined && Date.now() - this.#takenAt > IDLE_MS) {
      this.close()
      this.onDrop?.()
      return
    }
    const { queue } = this.#filter
    this.#stats = [...texts].filter(([name]) => queue === undefined || queue === name).map(([, text]) => text)
    this.wake()
  }

  /** It is told that it is over, and then it is. */
  end(): void {
    this.#isEnding = true
    this.wake()
  }

  /** Nothing is left of it. */
  close(): void {
    this.#isOver = true
    this.#hub.disconnect(this)
    this.wake()
  }
}

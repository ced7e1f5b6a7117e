/**
 * What has happened? BullMQ tells it in a stream. It is a hint, and no more: the stream is trimmed, and connections are cut. Whoever
 * listens is told when something may have been missed, and looks for itself then.
 */
import type { Redis } from 'ioredis'

export interface StreamListener {
  /** The fields of one event, as they stand in the stream: a name, its value, a name … The first is `event`. */
  heard(event: string, fields: readonly string[]): void
  /** All events of one reply were told. */
  told(): void
  /** Some may have been missed. */
  missed(): void
}

const BLOCK_MS = 5_000
const PAUSE_MS = 100
/** A stream of BullMQ has some 10,000 entries. Who is so far behind may be further behind. */
const MANY = 5_000

export class Stream {
  readonly #client: Redis
  readonly #key: string
  readonly #listener: StreamListener
  #last: string | undefined
  #isClosed = false
  readonly #opening: Promise<void>
  #opened: () => void = () => {}

  constructor(client: Redis, key: string, listener: StreamListener) {
    this.#client = client
    this.#key = key
    this.#listener = listener
    this.#opening = new Promise((resolve) => {
      this.#opened = resolve
    })
    void this.#read()
  }

  /** Has it been opened once? What happens while it is cut is looked for when it is opened again. */
  isOpen = false

  /** Fulfils when whatever happens from now on is told. */
  opened(): Promise<void> {
    return this.#opening
  }

  close(): void {
    this.#isClosed = true
    this.#opened()
    this.#client.disconnect()
  }

  async #read(): Promise<void> {
    let isCut = true
    while (!this.#isClosed) {
      try {
        if (isCut) {
          await this.#begin()
          isCut = false
          this.isOpen = true
          this.#opened()
          this.#listener.missed()
        }
        const reply = await this.#client.xread('BLOCK', BLOCK_MS, 'STREAMS', this.#key, this.#last as string)
        const entries = reply?.[0]?.[1] ?? []
        for (const [id, fields] of entries) {
          this.#last = id
          if (fields[0] === 'event') this.#listener.heard(fields[1] as string, fields)
        }
        if (entries.length > 0) this.#listener.told()
        if (entries.length >= MANY) this.#listener.missed()
      } catch {
        isCut = true
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    }
  }

  /** From the end, and again from there where the stream is not the one that it was. */
  async #begin(): Promise<void> {
    const [tail] = await this.#client.xrevrange(this.#key, '+', '-', 'COUNT', 1)
    const end = tail?.[0] ?? '0-0'
    if (this.#last === undefined || isBefore(end, this.#last)) this.#last = end
  }
}

function isBefore(one: string, other: string): boolean {
  const [a, b] = [one, other].map((id) => id.split('-').map(Number)) as [number[], number[]]
  return a[0] === b[0] ? (a[1] as number) < (b[1] as number) : (a[0] as number) < (b[0] as number)
}

/** The value of a field. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
  return undefined
}

/** What the tests of the view share: a stream that remembers, and a terminal that understands what is written to it. */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import type { WatchStream } from 'triage-queue/terminal'

/** Control sequences, to be read and matched. */
export function visible(text: string): string {
  return text.replaceAll('\x1b', '␛')
}

export class FakeStream implements WatchStream {
  readonly written: string[] = []
  readonly listeners: (() => void)[] = []
  isTTY = false
  columns: number | undefined
  rows: number | undefined
  writableNeedDrain = false
  destroyed = false

  write(text: string): boolean {
    this.written.push(text)
    return true
  }

  on(_event: 'error', listener: () => void): void {
    this.listeners.push(listener)
  }

  off(_event: 'error', listener: () => void): void {
    this.listeners.splice(this.listeners.indexOf(listener), 1)
  }
}

/** A terminal without colours: only the sequences that a frame needs, and an error for any other. */
export class FakeTerminal extends FakeStream {
  override isTTY = true
  override columns: number | undefined = 60
  override rows: number | undefined = 24
  readonly lines: string[] = ['']
  #row = 0
  #column = 0
  isCursorVisible = true

  override write(text: string): boolean {
    for (const [token] of visible(text).matchAll(/␛\[[?\d;]*[a-zA-Z]|[\s\S]/gu)) this.#take(token)
    return super.write(text)
  }

  /** What a person sees. */
  get screen(): string {
    return this.lines.join('\n').trimEnd()
  }

  #take(token: string): void {
    const [, argument, command] = /^␛\[(.*)(.)$/u.exec(token) ?? []
    const line = this.lines[this.#row] as string
    if (token === '\n') {
      this.#row++
      this.#column = 0
      if (this.#row === this.lines.length) this.lines.push('')
    } else if (token === '\r') this.#column = 0
    else if (command === undefined) {
      this.lines[this.#row] = line.slice(0, this.#column).padEnd(this.#column) + token + line.slice(this.#column + 1)
      this.#column++
    } else if (command === 'A') this.#row = Math.max(this.#row - Number(argument), 0)
    else if (command === 'K') this.lines[this.#row] = line.slice(0, this.#column)
    else if (command === 'J') this.lines.splice(this.#row, this.lines.length, line.slice(0, this.#column))
    else if (argument === '?25') this.isCursorVisible = command === 'h'
    else if (command !== 'm') throw new Error(`unexpected sequence ${JSON.stringify(token)}`)
  }
}

/** Runs each request for as many ms as it says. */
export function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock, concurrency: 2, name: 'jobs', ...options })
  const send = (ms: number, more?: Parameters<typeof queue.execute>[1]): Promise<unknown> =>
    queue.execute(ms, more).catch((error: unknown) => error)
  return { clock, queue, send }
}

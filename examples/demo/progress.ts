/**
 * How is it going? The executor is watched; of the direct way there is one line that changes on a terminal, and a line a
 * second anywhere else. Both end with a line of what their callers got.
 */
import { type ExecutorStatus, type Priority, priorities } from '../../src/index.ts'
import { type WatchDisposer, type Watched, watch } from '../../src/terminal/index.ts'
import { sum, type Tally, type TierTally } from './tally.ts'

export class Progress {
  readonly #out: NodeJS.WriteStream
  #timer: NodeJS.Timeout | undefined
  #view: WatchDisposer | undefined
  #draw: (() => void) | undefined

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  start(way: string, tiers: readonly Priority[], tally: Tally, executor?: Watched): void {
    this.stop()
    const startedAt = performance.now()
    this.#draw = () => {
      const line = progressLine(way, performance.now() - startedAt, tiers, tally, executor?.getStatus())
      if (this.#out.isTTY) this.#out.write(`\r\x1b[K${line.slice(0, Math.max(this.#out.columns - 1, 20))}`)
      else this.#out.write(`${line}\n`)
    }
    if (executor === undefined) this.#timer = setInterval(this.#draw, this.#out.isTTY ? 200 : 1000)
    else this.#view = watch(executor, { stream: this.#out, plainIntervalMs: 1000 })
  }

  /** Draws the last state, and leaves it on the screen. */
  stop(): void {
    if (this.#draw === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#view?.()
    this.#view = undefined
    this.#draw()
    this.#draw = undefined
    if (this.#out.isTTY) this.#out.write('\n')
  }
}

/** Short enough for 80 columns. */
export function progressLine(
  way: string,
  elapsedMs: number,
  tiers: readonly Priority[],
  tally: Tally,
  status: ExecutorStatus | undefined,
): string {
  const all = priorities.map((priority) => tally[priority])
  const sent = sum(all.map((tier) => tier.sent))
  const open = sent - sum(all.map((tier) => tier.settled))
  const place = status === undefined ? `${open} open` : `${status.waiting} wait`
  const shares = tiers.map((tier) => `${tier.toUpperCase()} ${shortPercent(tally[tier])}`)
  const seconds = (elapsedMs / 1000).toFixed(0).padStart(3)
  return `${way.padEnd(8)} ${seconds} s  ${sent} sent, ${place}; in time ${shares.join(' ')}`
}

function shortPercent({ inTime, settled }: TierTally): string {
  return settled === 0 ? '–' : `${Math.floor((100 * inTime) / settled)}%`
}

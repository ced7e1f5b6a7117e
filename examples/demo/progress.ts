/**
 * How is it going? One line that changes on a terminal; a line a second anywhere else.
 */
import { type ExecutorStatus, type Priority, priorities } from '../../src/index.ts'
import { sum, type Tally, type TierTally } from './tally.ts'

export class Progress {
  readonly #out: NodeJS.WriteStream
  #timer: NodeJS.Timeout | undefined
  #draw = (): void => {}

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  start(way: string, tiers: readonly Priority[], tally: Tally, status?: () => ExecutorStatus): void {
    this.stop()
    const startedAt = performance.now()
    this.#draw = () => {
      const line = progressLine(way, performance.now() - startedAt, tiers, tally, status?.())
      if (this.#out.isTTY) this.#out.write(`\r\x1b[K${line.slice(0, Math.max(this.#out.columns - 1, 20))}`)
      else this.#out.write(`${line}\n`)
    }
    this.#timer = setInterval(this.#draw, this.#out.isTTY ? 200 : 1000)
  }

  /** Draws the last state, and leaves it on the screen. */
  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#draw()
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

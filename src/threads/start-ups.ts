/**
 * Does it start at all? A file that can't be loaded would be loaded for ever: after five deaths at start-up within ten seconds it is
 * given up.
 */
import { systemClock } from '../core/clock.ts'

const MOST = 5
const WITHIN_MS = 10_000

export class StartUps {
  #deaths: number[] = []
  #last: unknown
  #isOver = false

  /** A thread has ended before it could run anything. */
  failed(why: unknown): void {
    const at = systemClock.now()
    this.#last = why
    this.#deaths = [...this.#deaths.filter((each) => at - each < WITHIN_MS), at]
    if (this.#deaths.length >= MOST) this.#isOver = true
  }

  /** One has started. */
  succeeded(): void {
    this.#deaths = []
  }

  /** No thread is started any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** What the last one has died of. */
  get last(): unknown {
    return this.#last
  }

  get why(): string {
    return `its file does not start: ${MOST} threads have ended at start-up within ${WITHIN_MS / 1_000} s`
  }
}

/**
 * Has anything been told since the last look? What comes between a look and the wait for news is not missed.
 */
import { pause } from './calls.ts'

export class News {
  readonly #onClose: () => void
  #hasCome = false
  #wake: (() => void) | undefined

  constructor(onClose: () => void) {
    this.#onClose = onClose
  }

  come(): void {
    this.#hasCome = true
    this.#wake?.()
  }

  /** All that has come is old. */
  forget(): void {
    this.#hasCome = false
  }

  /** Fulfils when there are news, and after so many ms anyway. @throws `signal.reason` */
  async next(mostMs: number, signal: AbortSignal): Promise<void> {
    if (this.#hasCome) return
    const heard = new AbortController()
    this.#wake = () => heard.abort()
    try {
      await pause(mostMs, AbortSignal.any([heard.signal, signal]))
    } catch (error) {
      if (signal.aborted) throw error
    } finally {
      this.#wake = undefined
    }
  }

  close(): void {
    this.#onClose()
  }
}

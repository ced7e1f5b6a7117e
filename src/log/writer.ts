/**
 * What if the logger itself fails? It hurts nothing, and is reported once.
 *
 * An error is kept until the listener is done, and then leaves it: so it is reported like that of any listener. A logger
 * that fails at every line is reported at the first; the next report is due after a line has worked.
 */
import { isThenable } from '../core/checks.ts'
import type { Fields, LogLevel, Write } from './logger.ts'

export class Writer {
  readonly #write: Write
  #isFailing = false
  #errors: unknown[] = []
  #promises: Promise<void>[] = []

  constructor(write: Write) {
    this.#write = write
  }

  /** False when the logger has thrown: the line is lost. What it promises is not waited for. */
  write(level: LogLevel, fields: Fields, message: string): boolean {
    try {
      const result = this.#write(level, fields, message)
      if (isThenable(result)) this.#promises.push(this.#follow(result))
      else this.#isFailing = false
      return true
    } catch (error) {
      if (!this.#isFailing) this.#errors.push(error)
      this.#isFailing = true
      return false
    }
  }

  /** Something else has gone wrong on the way to a line. */
  fails(error: unknown): void {
    this.#errors.push(error)
  }

  /**
   * What a listener returns when it is done: it rejects if the logger does.
   * @throws what went wrong since the last call, the first of it
   */
  report(): Promise<unknown> | undefined {
    const [errors, promises] = [this.#errors, this.#promises]
    this.#errors = []
    this.#promises = []
    if (promises.length > 0) return Promise.all([...promises, ...errors.map((error) => Promise.reject(error))])
    if (errors.length > 0) throw errors[0]
    return undefined
  }

  async #follow(result: PromiseLike<unknown>): Promise<void> {
    try {
      await result
      this.#isFailing = false
    } catch (error) {
      if (this.#isFailing) return
      this.#isFailing = true
      throw error
    }
  }
}

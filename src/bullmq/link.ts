/**
 * The connection of one who asks: whether Redis is there, is the right one, and what time it is there.
 */
import type { Redis } from 'ioredis'
import { OptionsError } from '../core/errors.ts'
import { StoreUnavailableError } from '../core/store-errors.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import { isBranded } from '../core/triage-error.ts'
import { connect, evictionOf, placeOf, RedisTime } from './connections.ts'
import type { RedisConnection } from './options.ts'
import type { Peers } from './peers.ts'

const TIME_MS = 30_000

export class Link {
  readonly client: Redis
  readonly time = new RedisTime()
  readonly place: string
  readonly #failFastMs: number
  #isReady = false
  #refusal: OptionsError | undefined
  #lastError: Error | undefined
  readonly #waiting = new Set<() => void>()
  readonly #timer: NodeJS.Timeout
  #isClosed = false
  /** Called each time that it is there (again). */
  onReady: (() => void) | undefined

  constructor(peers: Peers, connection: RedisConnection, failFastMs: number) {
    this.place = placeOf(connection)
    this.#failFastMs = failFastMs
    this.client = connect(peers, connection, 'asking')
    this.client.on('error', (error) => {
      this.#lastError = error
    })
    this.client.on('ready', () => void this.#greet())
    this.client.on('close', () => {
      this.#isReady = false
    })
    this.#timer = setInterval(() => void this.time.sync(this.client).catch(() => {}), TIME_MS)
    this.#timer.unref()
  }

  /** Which Redis is it, and what time is it there? */
  async #greet(): Promise<void> {
    try {
      const [policy] = await Promise.all([evictionOf(this.client), this.time.sync(this.client)])
      this.#refusal =
        policy === undefined
          ? undefined
          : new OptionsError('connection', 'a Redis whose maxmemory-policy is noeviction', policy)
    } catch {
      // It was cut again: the next one is greeted.
      return
    }
    this.#isReady = this.client.status === 'ready'
    for (const go of this.#waiting) go()
    if (this.#isReady && this.#refusal === undefined) this.onReady?.()
  }

  get isReady(): boolean {
    return this.#isReady && this.#refusal === undefined
  }

  /** @throws {StoreUnavailableError} when it is not there in time @throws {OptionsError} when it may throw requests away */
  async ready(subject?: ErrorSubject): Promise<void> {
    if (!this.#isReady && !this.#isClosed) await this.#readyOrLate()
    if (this.#refusal !== undefined) throw this.#refusal
    if (!this.#isReady) throw this.unavailable(this.#lastError, { ...subject, started: false })
  }

  #readyOrLate(): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(go)
        resolve()
      }
      const timer = setTimeout(go, this.#failFastMs)
      this.#waiting.add(go)
    })
  }

  unavailable(cause: unknown, subject: ErrorSubject): StoreUnavailableError {
    const why = cause instanceof Error && cause.message !== '' ? cause.message : 'it can not be reached'
    return new StoreUnavailableError(this.place, why, subject, cause)
  }

  /**
   * Asks something of Redis, and fails fast.
   * @throws {StoreUnavailableError} `started` is 'unknown' where what was asked may have arrived, and `mayStart`
   */
  async ask<T>(question: (client: Redis) => Promise<T>, subject: ErrorSubject = {}, mayStart = false): Promise<T> {
    if (!this.isReady) await this.ready(subject)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#failFastMs} ms`)), this.#failFastMs)
    })
    try {
      return await Promise.race([question(this.client), late])
    } catch (error) {
      if (isBranded(error)) throw error
      throw this.unavailable(error, { ...subject, started: mayStart && !neverSent(error) ? 'unknown' : false })
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    clearInterval(this.#timer)
    for (const go of this.#waiting) go()
    this.client.disconnect()
  }
}

/** Redis has refused it, or it was never written to the connection. */
function neverSent(error: unknown): boolean {
  const { name, message } = error as Error
  return name === 'ReplyError' || message.includes("isn't writeable")
}

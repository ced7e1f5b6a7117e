/**
 * Which requests does this worker run, and is it still their owner? It looks when it is told, and by the clock.
 *
 * It renews the locks itself, each by its token: BullMQ would by the id of a job, and the end of a run that was lost would end the
 * renewals of the next run of the same job here. While Redis is away a lock is lost when its time is over on our own clock. A
 * cancellation is told on a channel, and looked for every few seconds, in case that it was missed.
 */
import type { Redis } from 'ioredis'
import type { Lease } from './lease.ts'
import type { Keys, Scripts } from './scripts.ts'

/** So long an id is remembered that was cancelled before its run was known here. */
const REMEMBERED_MS = 60_000
const MAX_REMEMBERED = 10_000
/** As BullMQ has it. */
const MAX_EVENTS = 10_000

export class Leases {
  readonly #all = new Map<string, Lease>()
  readonly #client: Redis
  readonly #listening: Redis
  readonly #keys: Keys
  readonly #scripts: Scripts
  readonly #lockMs: number
  readonly #watch: NodeJS.Timeout
  /** Ids that were told to be cancelled, and when. */
  readonly #told = new Map<string, number>()
  #isListening = false
  /** False: what comes from Redis still goes back at once. */
  isTaking = true
  /** Fulfils when it was first told of cancellations. */
  readonly listening: Promise<void>
  #listens: () => void = () => {}

  constructor(client: Redis, listening: Redis, keys: Keys, scripts: Scripts, lockMs: number) {
    this.#client = client
    this.#scripts = scripts
    this.#listening = listening
    this.#keys = keys
    this.#lockMs = lockMs
    this.listening = new Promise((resolve) => {
      this.#listens = resolve
    })
    listening.on('message', (_channel: string, message: string) => this.#heard(message))
    listening.on('ready', () => void this.#listen())
    listening.on('close', () => {
      this.#isListening = false
    })
    if (listening.status === 'ready') void this.#listen()
    this.#watch = setInterval(() => this.#look(), Math.max(lockMs / 8, 10))
    this.#watch.unref()
  }

  get size(): number {
    return this.#all.size
  }

  /** Is there one whose call goes on? */
  get isRunning(): boolean {
    return [...this.#all.values()].some((lease) => lease.isRunning)
  }

  add(lease: Lease): void {
    // One that this very worker has lost, and whose call goes on.
    this.#all.get(lease.jobId)?.lose()
    this.#all.set(lease.jobId, lease)
  }

  /** The worker closes: all go back to where they waited. */
  park(): void {
    this.isTaking = false
    for (const lease of this.#all.values()) lease.park()
  }

  delete(lease: Lease): void {
    if (this.#all.get(lease.jobId) === lease) this.#all.delete(lease.jobId)
  }

  /** Has it ended for its callers already? What waits can't have: it is looked for only where it may. */
  async endOf(lease: Lease, isAgain: boolean): Promise<string | undefined> {
    if (!isAgain && this.#isListening && !this.#told.has(lease.jobId)) return undefined
    return (await this.#client.hget(this.#keys.base + lease.jobId, 'tqEnd')) ?? undefined
  }

  #look(): void {
    const now = performance.now()
    for (const lease of this.#all.values()) {
      if (now - lease.renewedAt > this.#lockMs) lease.lose()
      else if (now - lease.renewedAt > this.#lockMs / 4 && !lease.isRenewing) void this.#renew(lease)
    }
    for (const [jobId, at] of this.#told) {
      if (now - at < REMEMBERED_MS && this.#told.size < MAX_REMEMBERED) break
      this.#told.delete(jobId)
    }
  }

  async #renew(lease: Lease): Promise<void> {
    const at = performance.now()
    lease.isRenewing = true
    try {
      if (await this.#scripts.renew(this.#client, lease.jobId, lease.token, this.#lockMs)) lease.renewedAt = at
      // What has ended meanwhile has no lock any more.
      else if (this.#all.get(lease.jobId) === lease) lease.lose()
    } catch {
      // Redis is away, or the worker has closed.
    } finally {
      lease.isRenewing = false
    }
  }

  async #listen(): Promise<void> {
    try {
      await this.#listening.subscribe(this.#keys.cancel)
      this.#isListening = true
      this.#listens()
      await this.lookForEnds()
    } catch {
      // It was cut again.
    }
  }

  /** The id of a job, and what it has ended with. */
  #heard(message: string): void {
    const at = message.indexOf(' ')
    const jobId = message.slice(0, at)
    this.#told.set(jobId, performance.now())
    const lease = this.#all.get(jobId)
    if (lease === undefined) return
    lease.end(message.slice(at + 1))
    // Whoever is told of it is told when the signal has been aborted.
    const { events } = this.#keys
    const told = this.#client.xadd(events, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', 'tq-aborted', 'jobId', jobId)
    told.catch(() => {})
  }

  /** Looks for cancellations that were not heard. */
  async lookForEnds(): Promise<void> {
    const jobIds = [...this.#all.keys()]
    if (jobIds.length === 0) return
    const pipeline = this.#client.pipeline()
    for (const jobId of jobIds) pipeline.hget(this.#keys.base + jobId, 'tqEnd')
    const replies = (await pipeline.exec().catch(() => null)) ?? []
    for (const [i, [error, text]] of replies.entries()) {
      if (error === null && typeof text === 'string') this.#all.get(jobIds[i] as string)?.end(text)
    }
  }

  close(): void {
    this.#listens()
    clearInterval(this.#watch)
    // What Redis was to be told of them while it was away is told by nobody now.
    this.#all.clear()
    this.#listening.disconnect()
  }
}

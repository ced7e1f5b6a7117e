/**
 * A durable store whose commits are made by hand: what was handed over waits until the test commits it, or refuses it.
 */
import {
  type Encoded,
  keeper,
  type LiveRecord,
  type NewRecord,
  type QueueStore,
  type RecoveredPage,
  type Store,
  type StoredView,
  type StoreEvent,
  type StoreState,
  StoreUnavailableError,
} from 'triage-queue'
import { turn } from '../../failures/support.ts'

type Answer = unknown

interface Handed {
  readonly text: string
  readonly isFact: boolean
  readonly data: unknown
  resolve(answer: Answer): void
  reject(error: unknown): void
}

export class HandStore implements Store {
  isDurable = true
  readonly keeper = keeper
  readonly promises = ['what is committed by hand']
  /** What was handed over, and is not committed. */
  pending: Handed[] = []
  /** All that was ever handed over, a word for each: `'admit 1'`, `'begin 1.1'`. */
  readonly log: string[] = []
  readonly data = new Map<string, unknown>()
  /** What `recover()` answers, page by page; an error is thrown. */
  pages: (RecoveredPage | Error)[] = [{ records: [], next: undefined, isPaused: false }]
  /** What an admission of this id answers. */
  readonly known = new Map<string, unknown>()
  readonly views = new Map<string, Partial<StoredView>>()
  readonly requeues = new Map<string, LiveRecord>()
  readonly queues = new Set<string>()
  arrived: ((record: LiveRecord) => void) | undefined
  state: StoreState = 'open'
  /** What these wait for. */
  before: { readonly find?: Promise<void>; readonly recover?: Promise<void> } = {}
  #seq = 0
  #isAuto = false
  readonly #listeners = new Set<(event: StoreEvent) => void>()

  /** Commits at once from now on. */
  auto(): this {
    this.#isAuto = true
    void this.commit()
    return this
  }

  byHand(): void {
    this.#isAuto = false
  }

  #hand(text: string, isFact: boolean, data?: unknown): Promise<never> {
    this.log.push(text)
    this.data.set(text, data)
    if (this.state === 'closed') return Promise.reject(new StoreUnavailableError('hand.db', 'it was closed'))
    return new Promise<unknown>((resolve, reject) => {
      this.pending.push({ text, isFact, data, resolve, reject })
      if (this.#isAuto) void this.commit()
    }) as Promise<never>
  }

  /** What waits for a commit, in words. */
  get waiting(): string[] {
    return this.pending.map(({ text }) => text)
  }

  /** Commits what is pending, or the first of it. */
  async commit(count = this.pending.length): Promise<void> {
    for (const { text, data, resolve } of this.pending.splice(0, count)) {
      const id = text.startsWith('admit') ? (data as NewRecord).id : ''
      resolve(text.startsWith('admit') ? (this.known.get(id) ?? { as: 'stored' }) : undefined)
    }
    await turn()
  }

  /** Refuses the questions that are pending. Facts stay. */
  async refuse(error: unknown = new StoreUnavailableError('hand.db', 'the disk is full')): Promise<void> {
    const all = this.pending
    this.pending = all.filter(({ isFact }) => isFact)
    for (const each of all) if (!each.isFact) each.reject(error)
    await turn()
  }

  /** Another state, as all hear. */
  async becomes(state: StoreState): Promise<void> {
    this.state = state
    if (state === 'closed') {
      const error = new StoreUnavailableError('hand.db', 'it was closed')
      for (const { reject } of this.pending.splice(0)) reject(error)
    }
    const error = state === 'faulty' ? new StoreUnavailableError('hand.db', 'EIO') : undefined
    for (const listener of this.#listeners) {
      listener({ type: 'damage', damage: { kind: 'row', message: 'a row', count: 1 } })
      listener({ type: 'state', state, error })
    }
    await turn()
  }

  queue(name: string): QueueStore {
    this.queues.add(name)
    const store = this
    // A newcomer has a greater number than all that was kept.
    for (const page of this.pages) {
      for (const { seq } of 'records' in page ? page.records : []) this.#seq = Math.max(this.#seq, seq)
    }
    return {
      name,
      get arrived() {
        return store.arrived
      },
      set arrived(arrived) {
        store.arrived = arrived
      },
      encode: (value) => JSON.stringify(value),
      decode: (encoded: Encoded) => JSON.parse(encoded as string),
      nextSeq: () => ++this.#seq,
      admitted: (record) =>
        this.#hand(`admit ${record.seq}${record.startedAt === undefined ? '' : ' begun'}`, false, record),
      begins: (seq, attempt) => this.#hand(`begin ${seq}.${attempt}`, false),
      attemptEnded: (seq, attempt, end) => this.#hand(`ended ${seq}.${attempt}`, true, end),
      ended: (seq, end) => this.#hand(`${end.outcome} ${seq}`, true, end),
      changed: (seq, change) => this.#hand(`change ${seq}`, true, change),
      paused: (isPaused) => this.#hand(`paused ${isPaused}`, true),
      recover: async () => {
        await this.before.recover
        const page = this.pages.shift()
        if (page instanceof Error) throw page
        return page ?? { records: [], next: undefined, isPaused: false }
      },
      unreadable: (seq) => this.#hand(`unreadable ${seq}`, true),
      requeue: async (id) => this.requeues.get(id),
      discard: async () => false,
      find: async (id) => {
        await this.before.find
        return this.views.get(id) as StoredView | undefined
      },
      list: async () => ({ records: [], cursor: undefined }),
      stats: async () => ({
        ...{ live: 0, completed: 0, expired: 0, cancelled: 0, shed: 0, dead: 0, isPaused: false, minutes: [] },
      }),
      release: () => void this.queues.delete(name),
    }
  }

  status() {
    return {
      ...{ state: this.state, error: undefined, pending: this.pending.length, isFull: false },
      ...{ batch: undefined, commitMs: undefined, bytes: 0, unopened: [] },
    }
  }

  watch(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  async flushed(): Promise<void> {
    await Promise.all(
      this.pending.map(
        (each) =>
          new Promise<void>((resolve, reject) => {
            const { resolve: was, reject: refuses } = each
            each.resolve = (answer) => {
              was(answer)
              resolve()
            }
            each.reject = (error) => {
              refuses(error)
              reject(error)
            }
          }),
      ),
    )
  }

  async close(): Promise<void> {
    await this.becomes('closed')
  }
}

/** A live record, as a store gives it back. */
export function live(seq: number, more: Partial<LiveRecord> & { request?: unknown } = {}): LiveRecord {
  const { request = `r${seq}`, ...rest } = more
  return {
    ...{ seq, id: `id${seq}`, isKey: true, priority: 'normal', payload: JSON.stringify(request), limits: {} },
    ...{ submittedAt: Date.now(), attempts: 0, crashes: 0, startedAt: undefined, ...rest },
  }
}

export function page(records: LiveRecord[], next?: number): RecoveredPage {
  return { records, next, isPaused: false }
}

/**
 * A few bytes that a thread and its owner share while a call runs: a busy thread reads no messages.
 *
 *     [ state | thread | length of the reason | the reason, as JSON … ]
 */
import { crossing } from './crossing.ts'

const STATE = 0
const THREAD = 1
const LENGTH = 2
const WORDS = 3
const REASON_BYTES = 500

const RUNS = 0
const ABORTED = 1
const OVER = 2

type WaitAsync = (array: Int32Array, index: number, value: number) => { readonly value: unknown }

export class Flag {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #bytes: Uint8Array

  constructor(buffer = new SharedArrayBuffer(WORDS * 4 + REASON_BYTES)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer, 0, WORDS)
    this.#bytes = new Uint8Array(buffer, WORDS * 4)
  }

  /** Nobody waits for the answer any more. The first one to say so counts. */
  abort(reason: unknown): void {
    const bytes = new TextEncoder().encode(inShort(reason))
    if (bytes.length <= REASON_BYTES) {
      this.#bytes.set(bytes)
      Atomics.store(this.#words, LENGTH, bytes.length)
    }
    this.#becomes(ABORTED)
  }

  get isAborted(): boolean {
    return Atomics.load(this.#words, STATE) === ABORTED
  }

  /** Its name, its code and its message, if they were short enough. */
  get reason(): unknown {
    const length = Atomics.load(this.#words, LENGTH)
    if (length === 0) return undefined
    // A copy, since shared memory is not decoded everywhere.
    return JSON.parse(new TextDecoder().decode(this.#bytes.slice(0, length)))
  }

  /** Which thread runs it; 0: none has begun. */
  get thread(): number {
    return Atomics.load(this.#words, THREAD)
  }

  set thread(id: number) {
    Atomics.store(this.#words, THREAD, id)
  }

  /** Fulfils when it is aborted, or over. A thread that computes is not told, and looks itself. */
  async changed(): Promise<void> {
    await (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync(this.#words, STATE, RUNS).value
  }

  /** Whoever waits for a change waits no more. */
  end(): void {
    this.#becomes(OVER)
  }

  #becomes(state: number): void {
    if (Atomics.compareExchange(this.#words, STATE, RUNS, state) === RUNS) Atomics.notify(this.#words, STATE)
  }
}

function inShort(reason: unknown): string {
  const sent = crossing(reason)
  if (!('type' in sent)) return JSON.stringify({ value: typeof sent.value === 'string' ? sent.value : undefined })
  const { type, name, message, members } = sent
  const { code } = members
  // Others might be no JSON, such as a bigint.
  const isShort = typeof code === 'string' || typeof code === 'number'
  return JSON.stringify({ type, name, message: message.slice(0, 200), members: isShort ? { code } : {} })
}

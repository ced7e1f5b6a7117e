/**
 * What the failure-mode tests share: calls that the test settles itself, a clock that can jump, and processes.
 */
import { execFile } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  type Clock,
  type ExecutorStatus,
  isTriageError,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RunContext,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

/** A real turn of the event loop, also under fake timers: all that can happen without time passing has happened. */
export async function turn(): Promise<void> {
  await nextTurn()
}

/** What became of a promise so far. Watching it also keeps a rejection from being unhandled. */
export class Watched<T> {
  state: 'pending' | 'fulfilled' | 'rejected' = 'pending'
  value: T | undefined
  error: unknown
  readonly done: Promise<void>

  constructor(promise: PromiseLike<T>) {
    this.done = Promise.resolve(promise).then(
      (value) => {
        this.state = 'fulfilled'
        this.value = value
      },
      (error: unknown) => {
        this.state = 'rejected'
        this.error = error
      },
    )
  }

  /** The code of an error of ours, else what it rejected with; the state when it has not rejected. */
  get outcome(): unknown {
    if (this.state !== 'rejected') return this.state
    return isTriageError(this.error) ? this.error.code : this.error
  }
}

export function watch<T>(promise: PromiseLike<T>): Watched<T> {
  return new Watched(promise)
}

export interface Call {
  readonly name: string
  readonly run: RunContext
  finish(value?: unknown): void
  fail(error: unknown): void
}

/** An executor whose calls the test settles by name; it counts how many run at once. */
export class Gate {
  /** The names of all calls, in the order in which they started. */
  readonly started: string[] = []
  readonly #calls = new Map<string, Call>()
  running = 0
  mostRunning = 0

  readonly executor = (name: string, run: RunContext): Promise<unknown> => {
    this.started.push(name)
    this.running++
    this.mostRunning = Math.max(this.mostRunning, this.running)
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.running--
        this.#calls.delete(name)
      }
      this.#calls.set(name, {
        name,
        run,
        finish: (value = name) => {
          settled()
          resolve(value)
        },
        fail: (error) => {
          settled()
          reject(error)
        },
      })
    })
  }

  call(name: string): Call {
    const call = this.#calls.get(name)
    if (call === undefined) throw new Error(`'${name}' does not run`)
    return call
  }

  finish(name: string, value?: unknown): Promise<void> {
    this.call(name).finish(value)
    return turn()
  }

  fail(name: string, error: unknown): Promise<void> {
    this.call(name).fail(error)
    return turn()
  }

  /** Settles all calls, and those that start after them, until nothing runs any more. */
  async finishAll(): Promise<void> {
    await turn()
    while (this.#calls.size > 0) {
      for (const call of [...this.#calls.values()]) call.finish()
      await turn()
    }
  }
}

/** A queued executor on virtual time, in front of a gate. */
export function gated(options: QueuedExecutorOptions<string> = {}) {
  const clock = new VirtualClock()
  const gate = new Gate()
  const queue = new QueuedExecutor<string, unknown>(gate.executor, { concurrency: 1, clock, ...options })
  return { clock, gate, queue }
}

/** A queued executor on virtual time whose slots are all busy. */
export async function busy(options: QueuedExecutorOptions<string> = {}) {
  const made = gated(options)
  const blockers = Array.from({ length: made.queue.concurrency }, (_, i) => watch(made.queue.execute(`busy ${i}`)))
  await turn()
  return { ...made, blockers }
}

/** Admitted = waiting + running + ended: the difference, which must be 0. */
export function lost({ totals, waiting, running }: ExecutorStatus): number {
  const { admitted, completed, failed, expired, cancelled, shed } = totals
  return admitted - waiting - running - completed - failed - expired - cancelled - shed
}

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * A clock that moves without firing, as when the event loop is blocked or the machine sleeps; its timers fire when the
 * test lets them. Like Node's, a timer with a delay out of range fires after 1 ms.
 */
export class JumpingClock implements Clock {
  time: number
  /** Delays out of the range of Node's timers that were asked for. */
  readonly outOfRange: number[] = []
  readonly #timers = new Set<Timer>()
  /** The most timers that were set at one time. */
  mostTimers = 0

  constructor(startAt = 0) {
    this.time = startAt
  }

  now(): number {
    return this.time
  }

  get timers(): number {
    return this.#timers.size
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const isInRange = delayMs >= 0 && delayMs <= 2 ** 31 - 1
    if (!isInRange) this.outOfRange.push(delayMs)
    const timer = { at: this.time + (isInRange ? Math.max(delayMs, 1) : 1), callback }
    this.#timers.add(timer)
    this.mostTimers = Math.max(this.mostTimers, this.#timers.size)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer)
  }

  /** Fires what is due, each once, and lets the program go on. */
  async fire(): Promise<void> {
    await turn()
    const due = [...this.#timers].filter((timer) => timer.at <= this.time).sort((a, b) => a.at - b.at)
    for (const timer of due) {
      if (!this.#timers.delete(timer)) continue
      timer.callback()
      await turn()
    }
  }

  /** Moves to the next timer and fires it; for as long as there is one by `time`. */
  async advanceTo(time: number): Promise<void> {
    for (;;) {
      await turn()
      const next = Math.min(...[...this.#timers].map((timer) => timer.at))
      if (next > time) break
      this.time = Math.max(this.time, next)
      await this.fire()
    }
    this.time = time
  }
}

// Written out, so that tools see that they are used.
const fixtures = {
  'abort-listener-throws': new URL('./fixtures/abort-listener-throws.ts', import.meta.url),
  'constructor-context': new URL('./fixtures/constructor-context.ts', import.meta.url),
  'count-operations': new URL('./fixtures/count-operations.ts', import.meta.url),
  heap: new URL('./fixtures/heap.ts', import.meta.url),
  'listener-throws': new URL('./fixtures/listener-throws.ts', import.meta.url),
  'process-ends': new URL('./fixtures/process-ends.ts', import.meta.url),
  'reporter-rejects': new URL('./fixtures/reporter-rejects.ts', import.meta.url),
  sigterm: new URL('./fixtures/sigterm.ts', import.meta.url),
  'threads-and-globals': new URL('./fixtures/threads-and-globals.ts', import.meta.url),
  'unhandled-rejections': new URL('./fixtures/unhandled-rejections.ts', import.meta.url),
}

type Fixture = keyof typeof fixtures

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a fixture in a process of its own, and answers how it ended. */
export function runFixture(
  name: Fixture,
  args: readonly string[] = [],
  { nodeArgs = [], onLine }: { nodeArgs?: readonly string[]; onLine?: (line: string, kill: Kill) => void } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: 25_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 24 } as const
    const path = fileURLToPath(fixtures[name])
    const child = execFile(process.execPath, [...nodeArgs, path, ...args], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr })
    })
    let rest = ''
    child.stdout?.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine?.(line, (signal) => child.kill(signal))
    })
  })
}

export type Kill = (signal: NodeJS.Signals) => void

/** Runs a fixture that must end well, and answers what it printed last, as JSON. */
export async function answerOf<T>(name: Fixture, args: readonly string[] = [], nodeArgs: readonly string[] = []) {
  const ended = await runFixture(name, args, { nodeArgs })
  if (ended.code !== 0)
    throw new Error(`${name} ${args.join(' ')} ended with ${ended.code ?? ended.signal}:\n${ended.stderr}`)
  return JSON.parse(ended.stdout.trim().split('\n').at(-1) as string) as T
}

/**
 * How much the core does for an operation, for several sizes: see the fixture. Without the optimizing compilers, which
 * would not count what they inline.
 */
export function countOperations<T = number>(args: readonly string[]): Promise<T[]> {
  return answerOf('count-operations', args, ['--no-opt', '--no-maglev'])
}

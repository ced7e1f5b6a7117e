/**
 * The ways in which a request can end. Each has an executor to itself, with one slot and room for two.
 */
import {
  backoff,
  codel,
  fairBy,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type StandardSchema,
  tokenBucket,
} from 'triage-queue'
import type { VirtualClock } from 'triage-queue/simulation'
import type { Follower, Payload, Subject } from './follower.ts'
import { Failure } from './job.ts'

/** The kind of the one that runs for ever beside them. */
export const NEIGHBOUR = 'neighbour'

interface Scene {
  readonly subject: Subject
  readonly follower: Follower
  readonly clock: VirtualClock
  /** It is shared by many, and outlives them. */
  readonly lasting: AbortSignal
}

export interface Way {
  /** A request … */
  readonly name: string
  /** How at least one of them ends, as the tally calls it. */
  readonly end: string
  readonly options?: QueuedExecutorOptions<Payload>
  readonly act: (scene: Scene) => unknown
}

const fits = (value: unknown) =>
  (value as Payload).kind === NEIGHBOUR ? { value: value as Payload } : { issues: [{ message: 'unfit' }] }

const schema: StandardSchema<Payload> = { '~standard': { version: 1, vendor: 'soak', validate: fits } }

const slowSchema: StandardSchema<Payload> = {
  '~standard': { version: 1, vendor: 'soak', validate: async (value) => fits(value) },
}

function three(act: (scene: Scene, i: number) => unknown) {
  return (scene: Scene): void => {
    for (let i = 0; i < 3; i++) act(scene, i)
  }
}

export const ways: readonly Way[] = [
  {
    name: 'that was answered',
    end: 'completed',
    act({ follower, subject, lasting }) {
      // The alarm that is set for it stays set.
      const limits = { waitTimeoutMs: 1e8, runTimeoutMs: 1e8, timeoutMs: 1e8 }
      follower.execute(subject, { ...limits, id: 'it', signal: lasting }, 'leaks')
      follower.execute(subject, { signal: follower.control().signal })
      follower.offer(subject)
    },
  },
  {
    name: 'that failed',
    end: 'failed',
    act({ follower, subject }) {
      follower.execute(subject, {}, 'fails')
      follower.offer(subject, { kind: 'fails' })
    },
  },
  {
    name: 'that was over its wait timeout',
    end: 'TRIAGE_WAIT_TIMEOUT',
    act({ follower, subject, lasting }) {
      follower.execute(subject)
      follower.execute(subject, { waitTimeoutMs: 5, signal: lasting })
      follower.offer(subject, { options: { timeoutMs: 5 } })
    },
  },
  {
    name: 'that was over its run timeout',
    end: 'TRIAGE_RUN_TIMEOUT',
    act({ follower, subject }) {
      follower.execute(subject, { runTimeoutMs: 5, signal: follower.control().signal }, 'hears')
      follower.offer(subject, { options: { timeoutMs: 15 }, kind: 'deaf' })
    },
  },
  {
    name: 'that was cancelled while it waited',
    end: 'TRIAGE_CANCELLED',
    act({ follower, subject, lasting }) {
      follower.execute(subject)
      follower.execute(subject, { id: 'it', signal: lasting })
      subject.cancel('it', follower.follow('reason', new DOMException('enough', 'AbortError')))
      follower.offer(subject, { use: (handle) => handle.cancel() })
    },
  },
  {
    name: 'that was cancelled while it ran',
    end: 'TRIAGE_CANCELLED',
    async act({ follower, subject, clock }) {
      follower.execute(subject, { id: 'it' }, 'deaf')
      await clock.advance(5)
      subject.cancel('it', follower.follow('reason', new DOMException('enough', 'AbortError')))
    },
  },
  {
    name: 'whose signal was aborted',
    end: 'aborted',
    async act({ follower, subject, clock }) {
      const control = follower.control()
      for (const kind of ['hears', 'deaf']) follower.execute(subject, { signal: control.signal }, kind)
      await clock.advance(5)
      control.abort(follower.follow('reason', new DOMException('enough', 'AbortError')))
      follower.execute(subject, { signal: control.signal })
    },
  },
  {
    name: 'that was refused for want of room',
    end: 'TRIAGE_QUEUE_FULL',
    act({ follower, subject, lasting }) {
      for (const id of ['1', '2', '3']) follower.execute(subject, { id, signal: lasting })
      follower.execute(subject, { id: 'more', signal: follower.control().signal })
      follower.offer(subject)
    },
  },
  {
    name: 'that was displaced',
    end: 'TRIAGE_SHED',
    options: { whenFull: 'shed' },
    act({ follower, subject, lasting }) {
      for (const priority of ['low', 'low', 'low', 'high', 'urgent'] as const) {
        follower.execute(subject, { priority, signal: lasting })
      }
    },
  },
  {
    name: 'that was blocked',
    end: 'TRIAGE_WAIT_TIMEOUT',
    options: { whenFull: 'block', maxBlocked: 3 },
    act({ follower, subject, lasting }) {
      for (const waitTimeoutMs of [90, 90, 90, 90, 5, 90, 90]) {
        follower.execute(subject, { waitTimeoutMs, signal: lasting })
      }
    },
  },
  {
    name: 'that was over its rate',
    end: 'TRIAGE_RATE_LIMITED',
    options: { rateLimit: tokenBucket({ perSecond: 10, burst: 1 }) },
    act: three(({ follower, subject, lasting }, i) => follower.execute(subject, { id: `${i}`, signal: lasting })),
  },
  {
    name: 'that a guard has shed',
    end: 'TRIAGE_OVERLOADED',
    options: { overload: codel({ targetMs: 1, intervalMs: 1 }) },
    act: three(({ follower, subject, lasting }) => follower.execute(subject, { signal: lasting })),
  },
  {
    name: 'that did not fit',
    end: 'TRIAGE_INVALID_REQUEST',
    options: { schema },
    act: three(({ follower, subject, lasting }) => follower.execute(subject, { id: 'it', signal: lasting })),
  },
  {
    name: 'that did not fit in the end',
    end: 'TRIAGE_INVALID_REQUEST',
    options: { schema: slowSchema },
    act: three(({ follower, subject, lasting }) => follower.execute(subject, { id: 'it', signal: lasting })),
  },
  {
    name: 'that was shared',
    end: 'TRIAGE_RUN_TIMEOUT',
    act({ follower, subject, lasting }) {
      for (const timeoutMs of [100, 100, 5]) follower.execute(subject, { id: 'it', timeoutMs, signal: lasting })
      follower.execute(subject, { id: 'it', signal: follower.control().signal })
      follower.offer(subject, { options: { id: 'it' }, use: (handle) => handle.cancel() })
    },
  },
  {
    name: 'that was tried again',
    end: 'completed',
    options: { retry: backoff({ baseMs: 5, budget: Number.POSITIVE_INFINITY }) },
    act({ follower, subject, lasting }) {
      follower.execute(subject, { id: 'it', signal: lasting }, 'flaky')
      follower.offer(subject, { kind: 'fails' })
    },
  },
  {
    name: 'that came later',
    end: 'TRIAGE_CANCELLED',
    act({ follower, subject, lasting }) {
      follower.execute(subject, { delayMs: 5, signal: lasting })
      follower.execute(subject, { after: [Promise.reject(follower.follow('reason', new Failure('before')))] })
    },
  },
  {
    name: 'that was moved',
    end: 'completed',
    options: { order: fairBy(() => 'a key') },
    act: three(({ follower, subject }) => follower.offer(subject, { use: (handle) => handle.setPriority('low') })),
  },
  {
    name: 'of a map',
    end: 'completed',
    async act({ follower, subject, clock, lasting }) {
      const payloads = [1, 2, 3, 4].map(() => follower.payload())
      const results = subject.map(payloads, { signal: lasting })
      const first = results.next()
      await clock.run({ until: first })
      follower.ended((await first).value)
      await results.return()
    },
  },
  {
    name: 'of an executor that was closed',
    end: 'TRIAGE_CANCELLED',
    async act({ follower, subject, clock }) {
      const closed: Subject = new QueuedExecutor(
        (_payload, run) => clock.sleep(50, { signal: run.signal }).then(Object),
        {
          clock,
          concurrency: 1,
        },
      )
      for (const timeoutMs of [1_000, 1_000, 1_000]) follower.execute(closed, { timeoutMs })
      await clock.advance(1)
      await clock.run({ until: closed.close({ drain: false, graceMs: 5 }) })
      // It lives as long as the other.
      subject.on('closed', () => closed.pause())
    },
  },
]

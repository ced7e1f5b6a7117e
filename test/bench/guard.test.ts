/**
 * Is it still as lean as it was? What a request costs in readings of the clock, timers, promises, microtasks and bytes
 * is counted in processes of their own, so that a regression fails on a busy machine too. `npm run bench -- counts`
 * prints the same numbers, `bench/counts.ts` says what each of them is.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { jitlessCase } from '../../bench/cases/alone.ts'
import { type ByteCounts, type CallCounts, COUNTING_FLAGS, type PromiseCounts } from '../../bench/counts.ts'
import { DEOPT_FLAGS, MARK } from '../../bench/deopts.ts'
import { type DriverOptions, runChild } from '../../bench/driver.ts'
import type { IdleCallCounts } from '../../bench/idle-calls.ts'
import { US } from '../../bench/peers/index.ts'
import { quantileOf, sorted } from '../../bench/results.ts'

/** Slightly above what is counted today. Who makes the engine leaner lowers them. */
const AT_MOST = {
  /** Readings of the clock: one instant for all that happens in one stretch. */
  nowPerSubmission: 1,
  /** 10 slots: a burst of 1,000 comes back in 100 lots, and each has its instant. */
  nowPerBurst: 105,
  /** Each synchronous run may have taken any time, so that the clock is read after each. */
  nowPerSynchronous: 1.01,
  nowPerClosedLoop: 0.11,
  nowPerIdleRequest: 3,

  /** One timer serves all deadlines of a burst. */
  timersPerBurst: 1,
  timersPerClosedLoop: 1,
  timersPerIdleRequest: 0,

  /** Beside the promise that the task itself returns: that of `execute()`, and our reaction to the task's. */
  promises: 2.15,
  promisesOfSynchronous: 1.05,
  microtasks: 1.15,
  microtasksOfSynchronous: 0.05,

  /** On the heap, for one that waits. A bare loop has 270; a second record or promise would be 100 to 300 more. */
  bytesWaiting: 305,
  bytesWaitingWithTimeouts: 390,
  bytesWaitingWithHandle: 336,
  /** Left of each when all have ended: the noise of the heap, and nothing of ours. */
  bytesLeft: 16,
  /** Allocated on the way through a closed loop, beside what the submitter and the task allocate. */
  bytesAllocated: 560,

  /** JavaScript functions that a request calls which meets an idle queue: our own, and Node's. */
  callsPerIdleRequest: 45,
  callsPerIdleRequestWithPriority: 50,

  /** Functions whose compiled code is thrown away by a collection while nothing is live; `bench/deopts.ts` says why. */
  deoptsByIdleCollection: 6,
}

const BURST = 1_000
const REQUESTS = 10_000
/** Counting takes a second or two; a busy machine may take its time. */
const LIMIT_MS = 60_000

async function count<T>(what: string): Promise<T> {
  return JSON.parse(await run('counts.ts', COUNTING_FLAGS, what)) as T
}

async function run(name: string, flags: readonly string[], ...args: string[]): Promise<string> {
  const file = fileURLToPath(new URL(`../../bench/${name}`, import.meta.url))
  const options = { maxBuffer: 64 * 2 ** 20 }
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, file, ...args], options)
  return stdout
}

describe('calls', () => {
  let calls: CallCounts
  beforeAll(async () => {
    calls = await count<CallCounts>('calls')
  }, LIMIT_MS)

  test('a burst is submitted at one instant', () => {
    expect(calls.submission.now).toBeLessThanOrEqual(AT_MOST.nowPerSubmission)
  })

  test('the clock is read once for each lot of answers, not for each request', () => {
    expect(calls.burst.now).toBeLessThanOrEqual(AT_MOST.nowPerBurst)
    expect(calls.closedLoop.now / REQUESTS).toBeLessThanOrEqual(AT_MOST.nowPerClosedLoop)
  })

  test('the clock is read once for each synchronous run', () => {
    expect(calls.burstOfSynchronous.now / BURST).toBeLessThanOrEqual(AT_MOST.nowPerSynchronous)
  })

  test('a wait timeout on every request costs one reading of the clock for each, and no timer', () => {
    expect(calls.burstOfTimeouts.now).toBeLessThanOrEqual(calls.burst.now + BURST)
    expect(calls.burstOfTimeouts.setTimeout).toBeLessThanOrEqual(AT_MOST.timersPerBurst)
  })

  test('one timer serves a burst, and one a closed loop that never rests', () => {
    expect(calls.burst.setTimeout).toBeLessThanOrEqual(AT_MOST.timersPerBurst)
    expect(calls.closedLoop.setTimeout).toBeLessThanOrEqual(AT_MOST.timersPerClosedLoop)
  })

  test('no timer is left when nothing is live', () => {
    for (const { setTimeout, clearTimeout } of Object.values(calls)) {
      expect(clearTimeout).toBe(setTimeout)
    }
  })

  test('a request that finds everything idle reads the clock and arms a timer no more often than it must', () => {
    expect(calls.oneByOne.now / BURST).toBeLessThanOrEqual(AT_MOST.nowPerIdleRequest)
    expect(calls.oneByOne.setTimeout / BURST).toBeLessThanOrEqual(AT_MOST.timersPerIdleRequest)
  })
})

describe('promises and microtasks', () => {
  let counts: PromiseCounts
  beforeAll(async () => {
    counts = await count<PromiseCounts>('promises')
  }, LIMIT_MS)

  test('a request costs the promise of execute() and one reaction', () => {
    const { withoutQueue, burst } = counts
    expect(burst.promises - withoutQueue.promises).toBeLessThanOrEqual(AT_MOST.promises)
    expect(burst.microtasks - withoutQueue.microtasks).toBeLessThanOrEqual(AT_MOST.microtasks)
  })

  test('a synchronous run costs the promise of execute() only', () => {
    expect(counts.burstOfSynchronous.promises).toBeLessThanOrEqual(AT_MOST.promisesOfSynchronous)
    expect(counts.burstOfSynchronous.microtasks).toBeLessThanOrEqual(AT_MOST.microtasksOfSynchronous)
  })
})

describe('bytes', () => {
  let bytes: ByteCounts
  beforeAll(async () => {
    bytes = await count<ByteCounts>('bytes')
  }, LIMIT_MS)

  test('a waiting request is small', () => {
    expect(bytes.waiting).toBeLessThanOrEqual(AT_MOST.bytesWaiting)
    expect(bytes.waitingWithTimeouts).toBeLessThanOrEqual(AT_MOST.bytesWaitingWithTimeouts)
    expect(bytes.waitingWithHandle).toBeLessThanOrEqual(AT_MOST.bytesWaitingWithHandle)
  })

  test('nothing is left of requests that have ended', () => {
    expect(bytes.left).toBeLessThanOrEqual(AT_MOST.bytesLeft)
  })

  test('little is allocated on the way through', () => {
    expect(bytes.allocated - bytes.allocatedWithoutQueue).toBeLessThanOrEqual(AT_MOST.bytesAllocated)
  })
})

describe('an idle request', () => {
  test(
    'calls few functions',
    async () => {
      const { plain, withPriority } = JSON.parse(await run('idle-calls.ts', [])) as IdleCallCounts
      expect(plain.own + plain.node).toBeLessThanOrEqual(AT_MOST.callsPerIdleRequest)
      expect(withPriority.own + withPriority.node).toBeLessThanOrEqual(AT_MOST.callsPerIdleRequestWithPriority)
    },
    LIMIT_MS,
  )

  test(
    'takes some µs without a compiler',
    async () => {
      const options: DriverOptions = { peers: [], flags: [], env: {}, progress: () => {} }
      const { series } = await runChild(jitlessCase, { variant: 'alone', subject: US }, options)
      const settledUs = quantileOf(sorted([...(series?.settledUs ?? [])]), 0.5)
      console.log(`one at a time with --jitless, settled p50: ${settledUs?.toFixed(1)} µs`)
      // Printed, and not held to a bound: it is a time.
      expect(settledUs).toBeGreaterThan(0)
    },
    LIMIT_MS,
  )
})

describe('compiled code', () => {
  test(
    'outlives a collection of garbage while nothing is live',
    async () => {
      const output = await run('deopts.ts', DEOPT_FLAGS)
      const [, after] = output.split(MARK)
      expect(after).toBeDefined()
      const thrownAway = after?.match(/embedded weak objects cleared/g) ?? []
      expect(thrownAway.length).toBeLessThanOrEqual(AT_MOST.deoptsByIdleCollection)
    },
    LIMIT_MS,
  )
})

/**
 * A part of the soak: far more requests than memory, through a queue that holds a thousand. For --max-old-space-size=64: if
 * anything but those who wait were kept, the process would die.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { priorities, QueuedExecutor, type WhenFull } from 'triage-queue'
import { seeded } from '../../support/seeded.ts'
import { pick } from './job.ts'
import { CAPACITY, type NarrowReport, type PartOptions } from './report.ts'
import { Tally } from './tally.ts'

/** About 1 kB each, on the heap. */
const NUMBERS = 120
const BYTES = NUMBERS * 8

type Payload = readonly number[]

export async function narrow(requests: number, { progress, leaks }: PartOptions): Promise<NarrowReport> {
  Error.stackTraceLimit = 0
  const tally = new Tally()
  const random = seeded(64)
  const leaked: Payload[] = []
  let maxWaiting = 0
  let heapPeakBytes = 0
  let calls = 0

  const make = (): Payload => {
    const payload = new Array<number>(NUMBERS).fill(tally.requests)
    if (leaks) leaked.push(payload)
    return payload
  }
  const open = (whenFull: WhenFull) =>
    new QueuedExecutor<Payload, number>(
      async (payload) => {
        if (++calls % 100 === 0) await nextTurn()
        return payload[0] as number
      },
      { maxQueueSize: CAPACITY, whenFull, waitTimeoutMs: 600_000 },
    )
  const look = (queue: QueuedExecutor<Payload, number>): void => {
    maxWaiting = Math.max(maxWaiting, queue.getStatus().waiting)
    heapPeakBytes = Math.max(heapPeakBytes, process.memoryUsage().heapUsed)
    progress(tally.requests)
  }
  const share = Math.ceil(requests / 4)

  /** Bursts of twice what there is room for. */
  const bursts = async (whenFull: WhenFull): Promise<void> => {
    const queue = open(whenFull)
    for (let done = 0; done < share; done += 2 * CAPACITY) {
      const ends = Array.from({ length: Math.min(2 * CAPACITY, share - done) }, () =>
        tally.watch(queue.execute(make(), { priority: pick(random, priorities) })),
      )
      look(queue)
      await Promise.all(ends)
    }
    await queue.close()
  }
  await bursts('reject')
  await bursts('shed')

  // As fast as there is room, by a caller of each priority.
  const blocking = open('block')
  const produce = async (priority: (typeof priorities)[number]): Promise<void> => {
    for (let i = 0; i < share / priorities.length; i++) {
      await tally.watchHandle(blocking.submit(make(), { priority }), () => false)
      if (i % 100 === 0) look(blocking)
    }
  }
  await Promise.all(priorities.map(produce))
  await blocking.close()

  const mapping = open('reject')
  const before = tally.requests
  function* payloads(): Generator<Payload> {
    for (; tally.requests < before + share; tally.requests++) yield make()
  }
  let answers = 0
  for await (const _ of mapping.map(payloads())) if (++answers % 1_000 === 0) look(mapping)
  tally.end('mapped', answers)
  await mapping.close()

  return {
    requests: tally.requests,
    outcomes: tally.outcomes,
    maxWaiting,
    passedBytes: tally.requests * BYTES,
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    heapPeakBytes,
  }
}

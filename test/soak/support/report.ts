/**
 * What the parts of the soak report, and what must be true of it.
 */
import type { Point, Slope } from './steady.ts'

export interface PartOptions {
  progress(requests: number): void
  /** It leaks on purpose, to show that this is seen. */
  readonly leaks: boolean
}

type Counts = Readonly<Record<string, number>>

export interface MixedReport {
  readonly requests: number
  readonly points: readonly Point[]
  readonly heapSlope: Slope
  readonly codeSlope: Slope
  readonly outcomes: Counts
  readonly events: number
  readonly resourcesBefore: Counts
  readonly resourcesAfter: Counts
}

export interface NarrowReport {
  readonly requests: number
  readonly outcomes: Counts
  readonly maxWaiting: number
  readonly passedBytes: number
  readonly heapLimitBytes: number
  readonly heapPeakBytes: number
}

export interface CollectedReport {
  readonly requests: number
  /** How many objects were followed, by what they were. */
  readonly followed: Counts
  /** What is still there, by how its request has ended and what it is. */
  readonly left: Counts
  /** Dead letters that are kept, up to their bound. */
  readonly letters: number
}

/** Of a store in a file. */
export interface StoreReport {
  readonly requests: number
  readonly live: number
  readonly kept: number
  readonly dead: number
  readonly points: readonly Point[]
  readonly heapSlope: Slope
  /** The heap of the store's thread, its compiled code included. */
  readonly threadPoints: readonly Point[]
  readonly threadSlope: Slope
  /** Of the process, the thread included. */
  readonly rssBytes: readonly number[]
  readonly maxFileBytes: number
  readonly maxWalBytes: number
  /** After it was closed. */
  readonly fileBytes: number
  readonly walBytes: number
  /** Of a copy that has only what is kept. */
  readonly liveBytes: number
}

export interface Reports {
  readonly mixed: MixedReport
  readonly narrow: NarrowReport
  readonly collected: CollectedReport
  readonly store: StoreReport
}

const MAX_BYTES_PER_REQUEST = 0.5
/** A `-wal` file is brought into the store at 16 MB. */
const MAX_WAL_BYTES = 24 * 2 ** 20
/** What a store may have besides twice what it keeps: pages that it has not given back yet. */
const SPARE_BYTES = 2 * 2 ** 20
/** Of a process with two heaps, which V8 lets grow in steps: more than that is no step. */
const MAX_RSS_GROWTH_BYTES = 128 * 2 ** 20
export const CAPACITY = 1_000
export const MAX_LETTERS = 10

/** Every way to end that there is: a soak in which one does not occur has not soaked it. */
const outcomes: readonly string[] = [
  ...['completed', 'failed', 'aborted', 'not looked at', 'no room', 'mapped', 'map ended before'],
  ...['CANCELLED', 'DUPLICATE_REQUEST', 'INVALID_REQUEST', 'INVALID_OPTIONS', 'OVERLOADED', 'QUEUE_CLOSED'].map(coded),
  ...['QUEUE_FULL', 'RATE_LIMITED', 'RUN_TIMEOUT', 'SHED', 'WAIT_TIMEOUT'].map(coded),
]

function coded(word: string): string {
  return `TRIAGE_${word}`
}

/** What is wrong with a report, a line each; empty when all is well. */
export const complaints: { readonly [P in keyof Reports]: (report: Reports[P]) => string[] } = {
  mixed({ heapSlope, outcomes: seen, resourcesBefore, resourcesAfter }) {
    const { bytesPerRequest, standardError } = heapSlope
    const odd = Object.keys(seen).filter((name) => !outcomes.includes(name))
    return [
      ...unless(
        bytesPerRequest < MAX_BYTES_PER_REQUEST,
        `the heap grows by ${bytesPerRequest.toFixed(2)} ± ${standardError.toFixed(2)} bytes a request`,
      ),
      ...unless(
        JSON.stringify(resourcesAfter) === JSON.stringify(resourcesBefore),
        `resources were ${JSON.stringify(resourcesBefore)}, and are ${JSON.stringify(resourcesAfter)}`,
      ),
      ...odd.map((name) => `a request ended as '${name}'`),
      ...outcomes.filter((name) => !(name in seen)).map((name) => `no request ended as '${name}'`),
    ]
  },
  narrow({ requests, outcomes: seen, maxWaiting, passedBytes, heapLimitBytes }) {
    const ended = Object.values(seen).reduce((sum, count) => sum + count, 0)
    return [
      ...unless(ended === requests, `of ${requests} requests ${ended} have ended`),
      ...unless(maxWaiting === CAPACITY, `${maxWaiting} requests have waited at a time`),
      ...unless(passedBytes > heapLimitBytes, 'all requests together would have fitted into the heap'),
    ]
  },
  store({
    requests,
    live,
    kept,
    dead,
    heapSlope,
    threadSlope,
    rssBytes,
    maxFileBytes,
    maxWalBytes,
    fileBytes,
    walBytes,
    liveBytes,
  }) {
    const { bytesPerRequest, standardError } = heapSlope
    const [early, late] = [rssBytes[Math.floor(rssBytes.length / 5)] ?? 0, rssBytes.at(-1) ?? 0]
    return [
      ...unless(live === 0 && kept === 1_000 && dead === 100, `${live} live, ${kept} kept, ${dead} dead letters`),
      ...unless(
        // Of few requests more is noise than anything else.
        bytesPerRequest < MAX_BYTES_PER_REQUEST + 100_000 / requests,
        `the heap grows by ${bytesPerRequest.toFixed(2)} ± ${standardError.toFixed(2)} bytes a request`,
      ),
      ...unless(late - early < MAX_RSS_GROWTH_BYTES, `the process has grown from ${early} to ${late} bytes`),
      ...unless(
        // Compiled code is in it, too, which still grows for a while.
        threadSlope.bytesPerRequest < 1 + 200_000 / requests,
        `the heap of the thread grows by ${threadSlope.bytesPerRequest.toFixed(2)} bytes a request`,
      ),
      ...unless(maxFileBytes < 4 * liveBytes + SPARE_BYTES, `the file had ${maxFileBytes} bytes, for ${liveBytes}`),
      ...unless(maxWalBytes < MAX_WAL_BYTES, `the -wal file had ${maxWalBytes} bytes`),
      ...unless(
        fileBytes < 2 * liveBytes + SPARE_BYTES,
        `the file has ${fileBytes} bytes at the end, for ${liveBytes}`,
      ),
      ...unless(walBytes === 0, `the -wal file has ${walBytes} bytes after all was closed`),
    ]
  },
  collected({ left, letters }) {
    return [
      ...Object.entries(left).map(([what, count]) => `${count} of ${what} were not collected`),
      ...unless(letters === MAX_LETTERS, `${letters} dead letters`),
    ]
  },
}

function unless(holds: boolean, complaint: string): string[] {
  return holds ? [] : [complaint]
}

/**
 * How many slots, how long a queue, how much memory? From the rate, the run and a promise, by the formulas of queueing theory.
 *
 *     load      = rate · run                      slots that are busy on average (Little)
 *     slots     > load, by as much as the goals ask for (Erlang C; Cobham for each priority)
 *     wait      × (ca² + cs²) / 2                 for runs and arrivals that are not exponential (Allen and Cunneen)
 *     queue     so long that few enough are refused (the bounded queue, M/M/c/K)
 *
 * All of it is for a load that lasts, and for slots that are alike. `VirtualClock` tells the rest.
 *
 * @see J. D. C. Little, A proof for the queuing formula L = λW, Operations Research 9 (1961)
 * @see A. O. Allen, Probability, Statistics and Queueing Theory (1990), section 5.3: the approximation of Allen and Cunneen
 */
import { OptionsError } from '../core/errors.ts'
import type { Priority } from '../core/priority.ts'
import { bounded, erlangB } from './erlang.ts'
import { type Goal, keeps, quantileOf } from './goal.ts'
import { MAX_SLOTS, readSizeOptions, type SizeOptions, type SizeQuestion } from './size-options.ts'
import { type TierWait, tierWait } from './tier-waits.ts'

/** How long requests wait, in ms. */
export interface WaitEstimate {
  /** The share that waits at all. */
  readonly waits: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface MemoryEstimate {
  /** The process itself, with this package and a service. */
  readonly baseBytes: number
  readonly runningBytes: number
  /** With as many waiting as may. */
  readonly waitingBytes: number
  readonly connectionBytes: number
  readonly totalBytes: number
  /** Does it fit into `memoryBytes`, with a quarter to spare? Undefined where that is not known. */
  readonly fits: boolean | undefined
}

/** What `size()` answers. */
export interface Sizing {
  /** How many slots would be busy if there were no end of them. */
  readonly load: number
  /** As few slots as can keep up at all. */
  readonly minSlots: number
  readonly slots: number
  /** The share of the slots that is busy, on average. */
  readonly utilization: number
  /** What the slots can do. */
  readonly capacityPerSecond: number
  readonly wait: WaitEstimate
  readonly byPriority: { readonly [P in Priority]?: WaitEstimate | undefined }
  /** How many requests may wait. */
  readonly maxQueueSize: number
  /** The share that is refused with that bound. */
  readonly refused: number
  /** How long the last of a full queue waits. */
  readonly fullQueueMs: number
  /** The share that would be refused if nothing could wait. */
  readonly refusedWithoutQueue: number
  /** Threads that the work of the function itself keeps busy: 1 where it only waits. */
  readonly threads: number
  /** Processes or shards, so that no event loop has more than 70 % to do. */
  readonly processes: number
  readonly memory: MemoryEstimate
  /** Are all goals kept? */
  readonly isEnough: boolean
  /** What was taken for granted, in sentences. */
  readonly assumptions: readonly string[]
}

/** Measured: heap that a waiting request takes without its payload (`npm run bench`: 393 bytes), and one that runs, with a timer. */
const WAITING_BYTES = 400
const RUNNING_BYTES = 1_300
/** Measured: resident memory of `serve` when idle, and for a connection that waits for its answer (4,000 of them). */
const BASE_BYTES = 90 * 1024 ** 2
const CONNECTION_BYTES = 42 * 1024
/** Measured: processor time of `serve` for a request over HTTP, and of a queue alone. */
const HTTP_MS = 0.35
const QUEUE_MS = 0.002
const LOOP_SHARE = 0.7

/**
 * ```ts
 * size({ ratePerSecond: 1_143, runMs: 3_500, goals: ['p99wait < 200ms'] }).slots // => 4_0xx
 * ```
 * @throws {OptionsError} for what is missing or makes no sense, and for more load than the slots can do
 */
export function size(options: SizeOptions): Sizing {
  const question = readSizeOptions(options)
  const { runMs, perMs, tiers } = question
  const load = perMs * runMs
  const minSlots = Math.floor(load) + 1
  const goals = goalsOf(question)
  const slots = question.slots ?? leastSlots(question, load, minSlots, goals)
  const tierWaits = waitsOf(question, slots, load)
  const all = sumOf(question, tierWaits)
  const maxQueueSize = question.maxQueueSize ?? leastRoom(question, slots, load)
  const { refused } = bounded(slots, load, maxQueueSize)
  return {
    load,
    minSlots,
    slots,
    utilization: load / slots,
    capacityPerSecond: (slots / runMs) * 1_000,
    wait: all,
    byPriority: Object.fromEntries(
      tiers.map(({ priority }, i) => [priority, estimateOf(tierWaits[i] as TierWait, question)]),
    ),
    maxQueueSize,
    refused,
    fullQueueMs: (maxQueueSize / slots) * runMs,
    refusedWithoutQueue: erlangB(slots, load),
    ...threadsOf(question),
    memory: memoryOf(question, slots, maxQueueSize),
    isEnough: keepsAll(question, slots, load, goals) && refused <= question.refused,
    assumptions: assumptionsOf(question),
  }
}

function goalsOf({ waitGoals, hasGoals, runMs }: SizeQuestion): readonly Goal[] {
  if (hasGoals) return waitGoals
  return [{ text: '', priority: undefined, of: 'wait', statistic: 'p99', isUpper: true, bound: runMs / 4 }]
}

/** The least that keeps the goals: more slots never wait longer, so by bisection. */
function leastSlots(question: SizeQuestion, load: number, minSlots: number, goals: readonly Goal[]): number {
  if (keepsAll(question, minSlots, load, goals)) return minSlots
  let low = minSlots
  let step = Math.max(Math.ceil(Math.sqrt(load)), 1)
  let high = minSlots + step
  while (!keepsAll(question, high, load, goals)) {
    if (high >= MAX_SLOTS)
      throw new OptionsError(
        'goals',
        'goals that slots can keep',
        goals.map(({ text }) => text),
      )
    low = high
    step *= 2
    high = Math.min(high + step, MAX_SLOTS)
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (keepsAll(question, middle, load, goals)) high = middle
    else low = middle
  }
  return high
}

function keepsAll(question: SizeQuestion, slots: number, load: number, goals: readonly Goal[]): boolean {
  const waits = waitsOf(question, slots, load)
  const { runMs, variability, tiers } = question
  const unit = runMs * variability
  return goals.every((goal) => {
    const own = tiers.findIndex(({ priority }) => priority === goal.priority)
    const statistic = goal.statistic as string
    if (own >= 0) {
      const wait = waits[own] as TierWait
      return keeps(goal, unit * (statistic === 'mean' ? wait.mean : wait.quantile(quantileOf(statistic))))
    }
    const value = statistic === 'mean' ? meanOf(question, waits) : mixedQuantile(question, waits, quantileOf(statistic))
    return keeps(goal, unit * value)
  })
}

/** Of each tier, in units of the mean run, for exponential runs. */
function waitsOf({ tiers }: SizeQuestion, slots: number, load: number): readonly TierWait[] {
  let above = 0
  return tiers.map(({ share }) => {
    const wait = tierWait(slots, above, share * load, load)
    above += share * load
    return wait
  })
}

function meanOf({ tiers }: SizeQuestion, waits: readonly TierWait[]): number {
  return tiers.reduce((sum, { share }, i) => sum + share * (waits[i] as TierWait).mean, 0)
}

/** Of all requests together: the time at which the shares of the tiers add up. */
function mixedQuantile({ tiers }: SizeQuestion, waits: readonly TierWait[], q: number): number {
  if (waits.length === 1) return (waits[0] as TierWait).quantile(q)
  const longest = waits.reduce((most, wait) => Math.max(most, wait.quantile(q)), 0)
  let [low, high] = [0, longest]
  const within = (time: number): number =>
    1 - tiers.reduce((sum, { share }, i) => sum + share * (waits[i] as TierWait).beyond(time), 0)
  for (let i = 0; i < 40 && high - low > 1e-6 * longest; i++) {
    const middle = (low + high) / 2
    if (within(middle) < q) low = middle
    else high = middle
  }
  return high
}

function sumOf(question: SizeQuestion, waits: readonly TierWait[]): WaitEstimate {
  const unit = question.runMs * question.variability
  const at = (q: number): number => unit * mixedQuantile(question, waits, q)
  return {
    waits: (waits[0] as TierWait).waits,
    meanMs: unit * meanOf(question, waits),
    ...{ p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) },
  }
}

function estimateOf(wait: TierWait, { runMs, variability }: SizeQuestion): WaitEstimate {
  const unit = runMs * variability
  const at = (q: number): number => unit * wait.quantile(q)
  return { waits: wait.waits, meanMs: unit * wait.mean, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
}

/** The shortest queue of which few enough are turned away; runs that vary more need a longer one. */
function leastRoom({ refused: most, variability }: SizeQuestion, slots: number, load: number): number {
  let [low, high] = [-1, 1]
  while (bounded(slots, load, high).refused > most) [low, high] = [high, high * 2]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (bounded(slots, load, middle).refused > most) low = middle
    else high = middle
  }
  return Math.max(Math.ceil(high * Math.max(variability, 1)), 1)
}

function threadsOf({ perMs, cpuMs, overHttp, cores }: SizeQuestion): { threads: number; processes: number } {
  const loop = perMs * (overHttp ? HTTP_MS : QUEUE_MS)
  return {
    threads: Math.min(Math.max(Math.ceil((perMs * cpuMs) / LOOP_SHARE), 1), Math.max(cores, 1)),
    processes: Math.max(Math.ceil(loop / LOOP_SHARE), 1),
  }
}

function memoryOf(question: SizeQuestion, slots: number, room: number): MemoryEstimate {
  const { payloadBytes, runBytes, overHttp, memoryBytes } = question
  const runningBytes = slots * (RUNNING_BYTES + payloadBytes + runBytes)
  const waitingBytes = room * (WAITING_BYTES + payloadBytes)
  const connectionBytes = overHttp ? (slots + room) * CONNECTION_BYTES : 0
  const totalBytes = BASE_BYTES + runningBytes + waitingBytes + connectionBytes
  const fits = memoryBytes === undefined ? undefined : totalBytes <= memoryBytes * 0.75
  return { baseBytes: BASE_BYTES, runningBytes, waitingBytes, connectionBytes, totalBytes, fits }
}

function assumptionsOf({
  cv,
  arrivalCv,
  tiers,
  hasGoals,
  refused,
  cpuMs,
  cores,
  perMs,
  overHttp,
}: SizeQuestion): string[] {
  const cpuLoad = perMs * cpuMs
  return [
    'The load lasts, and the mean run does not grow with it: what is behind the function has room.',
    arrivalCv === 1
      ? 'Requests come independently of each other (Poisson).'
      : `The times between arrivals vary with a coefficient of ${arrivalCv}.`,
    cv === 1 && arrivalCv === 1
      ? 'Runs are exponential (cv 1): the numbers are exact for that.'
      : `Runs vary with a coefficient of ${cv}: waits are scaled as Allen and Cunneen do, which is an approximation.`,
    ...(tiers.length > 1 ? ['Priorities are strict, and a run is not interrupted (Cobham).'] : []),
    ...(hasGoals ? [] : ['No goal was given: 99 % wait at most a quarter of the run.']),
    `At most ${Number((refused * 100).toPrecision(3))} % of the requests are refused.`,
    overHttp
      ? `Each request has a connection that waits for its answer: ${CONNECTION_BYTES / 1024} kB, and ${HTTP_MS} ms of an event loop, as measured.`
      : `A waiting request takes ${WAITING_BYTES} bytes and one that runs ${RUNNING_BYTES}, as measured, without their payloads.`,
    cpuMs === 0
      ? 'A run waits for others (a model, a database, a service), and takes no processor: a slot costs a record, not a thread.'
      : `A run takes ${cpuMs} ms of a processor${cpuLoad > cores ? `: more than ${cores} can do` : ''}.`,
  ]
}

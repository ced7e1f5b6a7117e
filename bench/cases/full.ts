/**
 * What does a newcomer cost where the queue is full? It is refused, or it displaces the last one that waits. Both end with one
 * error; one that displaces is in the queue afterwards, and another one is out of it.
 */
import { setImmediate } from 'node:timers/promises'
import type { OrderPolicy, WhenFull } from '../../src/index.ts'
import type { Case } from '../case.ts'
import { heldExecutor } from '../held.ts'
import { CONCURRENCY, checkAnswer, type Job, jobsOfOneTier } from '../job.ts'
import { library } from '../library.ts'
import { type Cost, collectGarbage, costOf, meanCost, quick, warmUp } from '../measure.ts'
import { short, table, withRange, withSpread } from '../table.ts'

const { aging, earliestDeadlineFirst, fairBy, weighted } = library

const WAITING = quick ? 5_000 : 50_000
const NEWCOMERS = WAITING / 5
const VARIANT = `${short(WAITING)} waiting`
const REFUSED = 'it is refused'
const DISPLACES = 'it displaces the last one'

interface Full {
  readonly whenFull: WhenFull
  /** Of those that come when it is full; those that wait are LOW. */
  readonly newcomers: 'low' | 'urgent'
  readonly order?: () => OrderPolicy
}

const subjects: { readonly [subject: string]: Full } = {
  [REFUSED]: { whenFull: 'reject', newcomers: 'low' },
  'it is refused, since it would go last': { whenFull: 'shed', newcomers: 'low' },
  [DISPLACES]: { whenFull: 'shed', newcomers: 'urgent' },
  'it displaces, order: aging()': { whenFull: 'shed', newcomers: 'urgent', order: () => aging() },
  'it displaces, order: weighted()': { whenFull: 'shed', newcomers: 'urgent', order: () => weighted() },
  'it displaces, order: earliestDeadlineFirst()': {
    ...{ whenFull: 'shed', newcomers: 'urgent' },
    order: () => earliestDeadlineFirst(),
  },
  'it displaces, order: fairBy(), 100 keys': {
    ...{ whenFull: 'shed', newcomers: 'urgent' },
    order: () => fairBy((job: Job) => `tenant ${job.index % 100}`),
  },
}

export const fullCase: Case = {
  name: 'full',
  about: `a newcomer where ${short(WAITING)} wait and no more may: refused, or in the place of the last one`,
  rounds: 5,
  flags: ['--expose-gc'],

  trials: () => Object.keys(subjects).map((subject) => ({ variant: VARIANT, subject })),

  async measure({ subject }) {
    const full = subjects[subject]
    if (full === undefined) throw new Error(`nothing is known of '${subject}'`)
    const newcomersOf = (): Promise<Cost> => comeToFull(full)
    await warmUp(newcomersOf)
    return { numbers: { ...(await meanCost(newcomersOf)) } }
  },

  report(results) {
    const rows = results
      .subjects(VARIANT)
      .map((subject) => [
        subject,
        withSpread(results.spread(VARIANT, subject, 'cpuNs')),
        withRange(results.ratio([VARIANT, subject], [VARIANT, REFUSED], 'cpuNs')),
      ])
    const head = ['', 'CPU ns a newcomer', 'of one that is refused']
    return `A newcomer where ${short(WAITING)} wait, and no more may\n\n${table(head, rows)}`
  },
}

/** The target: the price of a place, against that of a refusal. */
export const displacesRatio = { over: [VARIANT, DISPLACES], under: [VARIANT, REFUSED] } as const

/** Lets a queue be full of LOW, and looks what each newcomer costs. All answers and errors are checked, and counted. */
async function comeToFull({ whenFull, newcomers, order }: Full): Promise<Cost> {
  const ordered = order === undefined ? {} : { order: order() }
  const { executor, open } = heldExecutor({ concurrency: CONCURRENCY, maxQueueSize: WAITING, whenFull, ...ordered })
  const jobs = jobsOfOneTier(CONCURRENCY + WAITING + NEWCOMERS)
  const ends = new Array<Promise<string>>(jobs.length)
  const come = (from: number, to: number, priority: 'low' | 'urgent'): void => {
    for (let i = from; i < to; i++) ends[i] = endOf(jobs[i] as Job, executor.execute(jobs[i] as Job, { priority }))
  }
  // Those that run, and those that wait.
  come(0, CONCURRENCY, 'urgent')
  await setImmediate()
  come(CONCURRENCY, CONCURRENCY + WAITING, 'low')
  await setImmediate()
  if (executor.getStatus().waiting !== WAITING) throw new Error('the queue is not full')
  collectGarbage()
  const cost = await costOf(NEWCOMERS, async () => {
    come(CONCURRENCY + WAITING, jobs.length, newcomers)
    await setImmediate()
  })
  const displaces = newcomers === 'urgent'
  const { waiting, totals } = executor.getStatus()
  if (waiting !== WAITING) throw new Error(`${waiting} wait`)
  if (totals.shed !== (displaces ? NEWCOMERS : 0)) throw new Error(`${totals.shed} were displaced`)
  open()
  await executor.close()
  const counts = new Map<string, number>()
  for (const [i, end] of (await Promise.all(ends)).entries()) {
    counts.set(end, (counts.get(end) ?? 0) + 1)
    const isNewcomer = i >= CONCURRENCY + WAITING
    if (isNewcomer && end !== (displaces ? ANSWERED : 'TRIAGE_QUEUE_FULL')) throw new Error(`newcomer ${i} was ${end}`)
    if (!isNewcomer && end === 'TRIAGE_QUEUE_FULL') throw new Error(`request ${i} was refused`)
  }
  if (counts.get(ANSWERED) !== CONCURRENCY + WAITING) throw new Error(`${counts.get(ANSWERED)} were answered`)
  return cost
}

const ANSWERED = 'answered'

function endOf(job: Job, answer: Promise<number>): Promise<string> {
  return answer.then(
    (value) => {
      checkAnswer(job, value)
      return ANSWERED
    },
    (error) => error.code,
  )
}

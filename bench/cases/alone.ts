/**
 * What does a request cost that meets an idle queue? As users submit it: one at a time, with its priority.
 *
 * *Lightly loaded*: the event loop sleeps for 2 ms before each request, and the code is not hot, since a process of 200 requests
 * has not compiled much of it. *One at a time*: the loop turns once between two requests, and all is compiled. *Jitless*: the
 * same without any compiler, where the time of a request is the number of calls and what each of them does; it repeats to 1 %.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { CONCURRENCY, checkAnswer, type Job, jobsOfOneTier } from '../job.ts'
import { quick, warmUp } from '../measure.ts'
import { loadPeer, roundsOf, US } from '../peers/index.ts'
import type { Queue } from '../peers/peer.ts'
import { number, table, times } from '../table.ts'
import type { Outcome, Trial } from '../trial.ts'

const VARIANT = 'alone'
const ASLEEP_MS = 2
const WARM_UP = 200
const SAMPLES = quick ? 100 : 500

async function trials(peers: readonly string[]): Promise<Trial[]> {
  const all: Trial[] = []
  for (const subject of peers) all.push({ variant: VARIANT, subject, ...roundsOf(await loadPeer(subject)) })
  return all
}

/** A queue, and when its task was called last. */
async function open(subject: string): Promise<{ queue: Queue; started: () => number }> {
  const peer = await loadPeer(subject)
  let startedAt = 0
  const queue = peer.create(async (job) => {
    startedAt = performance.now()
    return job.value + 1
  }, CONCURRENCY)
  return { queue, started: () => startedAt }
}

/** @param idle lets the event loop turn, or sleep, before each of them */
async function sample(subject: string, idle: () => Promise<unknown>, isHot: boolean): Promise<Outcome> {
  const { queue, started } = await open(subject)
  const start = new Float64Array(SAMPLES)
  const settled = new Float64Array(SAMPLES)
  const jobs = jobsOfOneTier(WARM_UP + SAMPLES)
  if (isHot) await warmUp(() => idle().then(() => queue.executeByTier(jobs[0] as Job)))
  for (let i = -WARM_UP; i < SAMPLES; i++) {
    const job = jobs[WARM_UP + i] as Job
    await idle()
    const submittedAt = performance.now()
    const answer = await queue.executeByTier(job)
    const us = (performance.now() - submittedAt) * 1e3
    checkAnswer(job, answer)
    if (i < 0) continue
    settled[i] = us
    start[i] = (started() - submittedAt) * 1e3
  }
  return { numbers: {}, series: { startUs: [...start], settledUs: [...settled] } }
}

function caseOf(
  about: Pick<Case, 'name' | 'about' | 'rounds' | 'flags'>,
  idle: () => Promise<unknown>,
  isHot: boolean,
  title: string,
): Case {
  return {
    ...about,
    trials,
    measure: ({ subject }) => sample(subject, idle, isHot),
    report(results) {
      const at = (subject: string, metric: string, q: number): number =>
        results.quantile(VARIANT, subject, metric, q) ?? Number.NaN
      const rows = results.subjects().map((subject) => {
        const of = (other: string): string => times(at(subject, 'settledUs', 0.5) / at(other, 'settledUs', 0.5))
        const figures = ['startUs', 'settledUs'].flatMap((metric) =>
          [0.5, 0.99].map((q) => number(at(subject, metric, q))),
        )
        return [subject, ...figures, of('fastq'), of(US)]
      })
      const head = ['µs', 'start p50', 'p99', 'settled p50', 'p99', 'settled p50 of fastq', 'of triage-queue']
      return `${title}\n\n${table(head, rows)}`
    },
  }
}

export const lightlyLoadedCase = caseOf(
  {
    name: 'lightly-loaded',
    about: `an idle queue, code that is not hot, ${ASLEEP_MS} ms of sleep before each request`,
    rounds: 5,
  },
  () => setTimeout(ASLEEP_MS),
  false,
  `Lightly loaded: ${ASLEEP_MS} ms of sleep before each request, ${WARM_UP} requests of warm-up, given with their priorities`,
)

export const oneAtATimeCase = caseOf(
  { name: 'one-at-a-time', about: 'an idle queue, hot code, one request after the other', rounds: 5 },
  () => setImmediate(),
  true,
  'One at a time: a turn of the event loop before each request, hot code, given with their priorities',
)

export const jitlessCase = caseOf(
  { name: 'jitless', about: 'one at a time, without a compiler', rounds: 3, flags: ['--jitless'] },
  () => setImmediate(),
  false,
  'One at a time with --jitless: what is called, and not how V8 compiles it',
)

/**
 * How soon does an idle queue start a request, and answer? The event loop sleeps before each sample, as that of a
 * service does between two requests.
 */
import { setTimeout } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { CONCURRENCY, checkAnswer, type Job, jobsOfOneTier } from '../job.ts'
import { quick, warmUp } from '../measure.ts'
import { loadPeer, roundsOf } from '../peers/index.ts'
import { number, table } from '../table.ts'
import type { Trial } from '../trial.ts'

const SAMPLES = quick ? 200 : 1_000
const IDLE = 'idle'

export const latencyCase: Case = {
  name: 'latency',
  about: 'an idle queue, the event loop asleep: submit → start, submit → settled',
  rounds: 3,

  async trials(peers) {
    const trials: Trial[] = []
    for (const subject of peers) trials.push({ variant: IDLE, subject, ...roundsOf(await loadPeer(subject)) })
    return trials
  },

  async measure({ subject }) {
    const peer = await loadPeer(subject)
    let startedAt = 0
    const queue = peer.create(async (job) => {
      startedAt = performance.now()
      return job.value + 1
    }, CONCURRENCY)
    const start = new Float64Array(SAMPLES)
    const settled = new Float64Array(SAMPLES)
    const jobs = jobsOfOneTier(SAMPLES)
    await warmUp(() => queue.execute(jobs[0] as Job))
    for (let i = 0; i < SAMPLES; i++) {
      const job = jobs[i] as Job
      await setTimeout(1 + (i & 1))
      const submittedAt = performance.now()
      const answer = await queue.execute(job)
      settled[i] = (performance.now() - submittedAt) * 1e3
      start[i] = (startedAt - submittedAt) * 1e3
      checkAnswer(job, answer)
    }
    return { numbers: {}, series: { startUs: [...start], settledUs: [...settled] } }
  },

  report(results) {
    const rows = results.subjects().map((subject) => {
      const at = (metric: string, q: number): string => number(results.quantile(IDLE, subject, metric, q))
      return [subject, ...['startUs', 'settledUs'].flatMap((metric) => [0.5, 0.99, 0.999].map((q) => at(metric, q)))]
    })
    const head = ['µs', 'start p50', 'p99', 'p99.9', 'settled p50', 'p99', 'p99.9']
    return `Idle, with the event loop asleep for 1 to 2 ms before each request\n\n${table(head, rows)}`
  },
}

/**
 * What does a request cost when very many come at once, over four priorities at random? And how does that grow?
 */
import type { Case } from '../case.ts'
import { CONCURRENCY, isOrdered, type Job, jobsOfFourTiers, tasks } from '../job.ts'
import { burst, type Cost, meanCost, quick, warmUp } from '../measure.ts'
import { loadPeer, roundsOf, US } from '../peers/index.ts'
import { short, table, times, withSpread } from '../table.ts'
import type { Trial } from '../trial.ts'

const SIZES = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
const LONG = 1_000_000

export const burstCase: Case = {
  name: 'burst',
  about: 'up to a million requests at once over four random tiers: the cost of a request, and its growth',
  rounds: 5,
  flags: ['--max-old-space-size=8192'],

  async trials(names) {
    const trials: Trial[] = []
    for (const size of SIZES) {
      for (const subject of names) {
        const peer = await loadPeer(subject)
        if (!peer.limits) continue
        // What takes seconds is steady enough after three rounds.
        const rounds = size === LONG ? { rounds: 3 } : roundsOf(peer)
        const { maxBurst = size, whyNotMore = '' } = peer
        trials.push({ variant: short(size), subject, ...rounds, ...(size > maxBurst ? { skipped: whyNotMore } : {}) })
      }
    }
    return trials
  },

  async measure({ variant, subject }) {
    const size = SIZES.find((each) => short(each) === variant) as number
    const peer = await loadPeer(subject)
    const started = new Int32Array(size)
    let starts = 0
    const queue = peer.create(async (job) => {
      started[starts++] = job.index
      return tasks.trivial(job)
    }, CONCURRENCY)
    let ordered = true
    const run = async (jobs: Job[]): Promise<Cost> => {
      starts = 0
      const cost = await burst((job) => queue.executeByTier(job), jobs)
      const inOrder =
        starts === jobs.length && isOrdered(started.subarray(0, starts), jobs, peer.priorities, CONCURRENCY)
      if (!inOrder && subject === US) throw new Error('the requests did not start in their order')
      ordered &&= inOrder
      return cost
    }

    const few = jobsOfFourTiers(Math.min(size, 10_000))
    const jobs = jobsOfFourTiers(size)
    // No collection is forced in between: with nothing alive, it would throw away what V8 has compiled.
    await warmUp(() => run(few))
    const cost = await meanCost(() => run(jobs))
    return { numbers: { ...cost, ordered: Number(ordered) } }
  },

  report(results) {
    const sizes = results.variants()
    const rows = results.subjects().map((subject) => {
      const growth = results.ratio(['1 M', subject], ['10 k', subject], 'cpuNs')?.value
      return [
        subject,
        ...sizes.map((size) => {
          const trial = results.trial(size, subject)
          const why = trial === undefined ? undefined : results.whySkipped(trial)
          return why === undefined ? withSpread(results.spread(size, subject, 'cpuNs')) : 'skipped'
        }),
        times(growth),
        times(results.ratio(['100 k', subject], ['100 k', US], 'cpuNs')?.value),
        orderOf(subject),
      ]
    })
    function orderOf(subject: string): string {
      const isOrdered = sizes.every((size) => results.values(size, subject, 'ordered').every((value) => value === 1))
      return isOrdered ? 'as promised' : 'not exact'
    }
    const head = ['CPU ns a request', ...sizes, '10 k → 1 M', 'of triage-queue at 100 k', 'order']
    return [
      'Bursts over four random tiers (those without priorities: first-in first-out)',
      table(head, rows),
      ...results.skippedLines(),
    ].join('\n\n')
  },
}

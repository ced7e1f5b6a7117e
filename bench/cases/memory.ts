/**
 * What does a waiting request weigh? Its promise is included, the request itself is not.
 */
import { setImmediate } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { checkAnswer, type Job, jobsOfOneTier } from '../job.ts'
import { burst, heapBytes, quick } from '../measure.ts'
import { loadPeer } from '../peers/index.ts'
import { number, short, table } from '../table.ts'
import type { Trial } from '../trial.ts'

const SIZES = quick ? [100_000] : [100_000, 1_000_000]

export const memoryCase: Case = {
  name: 'memory',
  about: 'heap bytes of one waiting request, at 100 k and 1 M',
  rounds: 2,
  flags: ['--expose-gc', '--max-old-space-size=8192'],

  async trials(names) {
    const trials: Trial[] = []
    for (const size of SIZES) {
      for (const subject of names) {
        const { limits, maxWaiting = size, whyNotMore = '' } = await loadPeer(subject)
        if (!limits) continue
        trials.push({ variant: short(size), subject, ...(size > maxWaiting ? { skipped: whyNotMore } : {}) })
      }
    }
    return trials
  },

  async measure({ variant, subject }) {
    const size = SIZES.find((each) => short(each) === variant) as number
    const peer = await loadPeer(subject)
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const queue = peer.create(async (job) => {
      await gate
      return job.value + 1
    }, 1)
    // Compiled as in a service that has run for a while, by another queue, so that this one has kept nothing yet.
    const other = peer.create(async (job) => job.value + 1, 10)
    for (let round = 0; round < 5; round++) await burst((job) => other.execute(job), jobsOfOneTier(10_000))
    const jobs = jobsOfOneTier(size)
    const promises: (Promise<number> | undefined)[] = new Array(size).fill(undefined)
    // The one that runs, and all that is made at the first use.
    const first = queue.execute({ index: -1, value: 0, tier: 2 })
    await setImmediate()

    const before = await heapBytes()
    for (let i = 0; i < size; i++) promises[i] = queue.execute(jobs[i] as Job)
    await setImmediate()
    const waiting = await heapBytes()

    open()
    await first
    for (let i = 0; i < size; i++) checkAnswer(jobs[i] as Job, await promises[i])
    promises.fill(undefined)
    await setImmediate()
    const after = await heapBytes()
    // Used once more, so that they are not collected before the heap is measured.
    if (jobs.length !== promises.length) throw new Error('jobs were lost')
    return { numbers: { bytes: (waiting - before) / size, leftBytes: (after - before) / size } }
  },

  report(results) {
    const sizes = results.variants()
    const rows = results.subjects().map((subject) => [
      subject,
      ...sizes.flatMap((size) => {
        const trial = results.trial(size, subject)
        const why = trial === undefined ? undefined : results.whySkipped(trial)
        if (why !== undefined) return ['skipped', '']
        return ['bytes', 'leftBytes'].map((metric) => number(results.median(size, subject, metric)))
      }),
    ])
    const head = ['bytes a request', ...sizes.flatMap((size) => [`${size} waiting`, 'left when all have ended'])]
    return ['Heap of one waiting request, its promise included', table(head, rows), ...results.skippedLines()].join(
      '\n\n',
    )
  },
}

/**
 * What does one more request cost a busy queue? 64 submitters, 10 slots, and a task that takes no time, one turn of the
 * event loop, or is synchronous.
 */
import type { Case } from '../case.ts'
import { CONCURRENCY, type TaskKind } from '../job.ts'
import { closedLoopOf, SUBMITTERS } from '../measure.ts'
import { loadPeer, roundsOf, US } from '../peers/index.ts'
import { table, times, withSpread } from '../table.ts'
import type { Trial } from '../trial.ts'

const titles: { readonly [K in TaskKind]: string } = {
  trivial: 'a trivial async task',
  setImmediate: 'a task that awaits setImmediate',
  synchronous: 'a synchronous task (made async for those who need a promise: all but p-limit, p-queue and us)',
}

export const closedLoopCase: Case = {
  name: 'closed-loop',
  about: `${SUBMITTERS} submitters, concurrency ${CONCURRENCY}: the cost of a request`,
  rounds: 5,

  async trials(peers) {
    const trials: Trial[] = []
    for (const variant of Object.keys(titles)) {
      // No target is about the synchronous task.
      const few = variant === 'synchronous' ? { rounds: 3 } : {}
      for (const subject of peers) trials.push({ variant, subject, ...few, ...roundsOf(await loadPeer(subject)) })
    }
    return trials
  },

  async measure({ variant, subject }) {
    return { numbers: { ...(await closedLoopOf(await loadPeer(subject), variant as TaskKind)) } }
  },

  report(results) {
    const parts = results.variants().map((variant) => {
      const rows = results.subjects(variant).map((subject) => {
        const of = (other: string): string => times(results.ratio([variant, subject], [variant, other], 'cpuNs')?.value)
        return [
          subject,
          withSpread(results.spread(variant, subject, 'cpuNs')),
          withSpread(results.spread(variant, subject, 'wallNs')),
          of('bare loop'),
          of(US),
        ]
      })
      const head = ['', 'CPU ns a request', 'wall ns a request', 'of the bare loop', 'of triage-queue']
      return `Closed loop, ${titles[variant as TaskKind]}\n\n${table(head, rows)}`
    })
    return parts.join('\n\n')
  },
}

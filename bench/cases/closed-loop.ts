/**
 * What does one more request cost a busy queue? 64 submitters, 10 slots, and a task that takes no time, one turn of the
 * event loop, or is synchronous.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Case } from '../case.ts'
import { CONCURRENCY, type TaskKind } from '../job.ts'
import { closedLoopOf, SUBMITTERS } from '../measure.ts'
import { loadPeer, roundsOf, US } from '../peers/index.ts'
import { number, table, times, withSpread } from '../table.ts'
import type { Trial } from '../trial.ts'

const CONTEXTS = 'contexts'

const titles: { readonly [K in TaskKind | typeof CONTEXTS]: string } = {
  trivial: 'a trivial async task',
  [CONTEXTS]: 'a trivial async task, each submitter in an AsyncLocalStorage context of its own',
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
      // One that no target of a whole run is about.
      const few = variant === 'synchronous' || variant === CONTEXTS ? { rounds: 3 } : {}
      for (const subject of peers) trials.push({ variant, subject, ...few, ...roundsOf(await loadPeer(subject)) })
    }
    return trials
  },

  async measure({ variant, subject }) {
    const peer = await loadPeer(subject)
    if (variant !== CONTEXTS) return { numbers: { ...(await closedLoopOf(peer, variant as TaskKind)) } }
    const storage = new AsyncLocalStorage<number>()
    let submitters = 0
    return {
      numbers: { ...(await closedLoopOf(peer, 'trivial', (submitter) => storage.run(submitters++, submitter))) },
    }
  },

  report(results) {
    const parts = results.variants().map((variant) => {
      const rows = results.subjects(variant).map((subject) => {
        const of = (other: string): string => times(results.ratio([variant, subject], [variant, other], 'cpuNs')?.value)
        return [
          subject,
          withSpread(results.spread(variant, subject, 'cpuNs')),
          withSpread(results.spread(variant, subject, 'wallNs')),
          number(results.median(variant, subject, 'firstCpuNs')),
          of('bare loop'),
          of(US),
        ]
      })
      const head = [
        '',
        'CPU ns a request',
        'wall ns a request',
        'CPU ns of the first pass',
        'of the bare loop',
        'of triage-queue',
      ]
      return `Closed loop, ${titles[variant as keyof typeof titles]}\n\n${table(head, rows)}`
    })
    return parts.join('\n\n')
  },
}

/**
 * What does looking cost? The snapshots, and a scrape, of an executor that has seen requests of each priority end in each
 * way: all histograms filled.
 */
import type { Case } from '../case.ts'
import { fromDist, library } from '../library.ts'
import { costOf, meanCost, warmUp } from '../measure.ts'
import { table, withSpread } from '../table.ts'

const { QueuedExecutor, priorities } = library
const VARIANT = 'one look'
const TIMES = 50

interface Looked {
  readonly executor: InstanceType<typeof QueuedExecutor<number, number>>
  look(): Promise<unknown> | unknown
}

const looks: { readonly [name: string]: () => Promise<Looked> } = {
  'getStatus()': async () => {
    const executor = await filled()
    return { executor, look: () => executor.getStatus() }
  },
  'getHistograms(), and one quantile of each': async () => {
    const executor = await filled()
    return {
      executor,
      look: () => Object.values(executor.getHistograms().waitByPriority).map((wait) => wait.quantile(0.99)),
    }
  },
  'a scrape, prometheus attached': async () => {
    const { Registry } = await import('prom-client')
    const { prometheus }: typeof import('../../src/prometheus/index.ts') = await import(
      fromDist ? '../../dist/prometheus/index.js' : '../../src/prometheus/index.ts'
    )
    const executor = await filled()
    const registry = new Registry()
    prometheus(executor, { registry })
    return { executor, look: () => registry.metrics() }
  },
}

async function filled(): Promise<Looked['executor']> {
  const executor = new QueuedExecutor(
    async (n: number, run) => {
      if (n % 4 === 1) throw new Error('failed')
      if (n % 4 === 2) await new Promise((_resolve, reject) => run.signal.addEventListener('abort', reject))
      return n
    },
    { maxQueueSize: 0, concurrency: 100, runTimeoutMs: 20 },
  )
  const ends = Array.from({ length: 1_600 }, (_, n) =>
    executor.execute(n, { priority: priorities[(n >> 2) % priorities.length] as 'low' }).catch(() => {}),
  )
  await Promise.all(ends)
  return executor
}

export const lookingCase: Case = {
  name: 'looking',
  about: 'a snapshot, a scrape: what does it cost to look?',
  rounds: 5,
  trials: () => Object.keys(looks).map((subject) => ({ variant: VARIANT, subject })),

  async measure({ subject }) {
    const open = looks[subject]
    if (open === undefined) throw new Error(`nobody looks at '${subject}'`)
    const { executor, look } = await open()
    const some = async (): Promise<void> => {
      for (let n = 0; n < TIMES; n++) await look()
    }
    await warmUp(some)
    const cost = await meanCost(() => costOf(TIMES, some))
    const { completed, failed, expired } = executor.getStatus().totals
    if (completed !== 800 || failed !== 400 || expired !== 400)
      throw new Error('not every request has ended as it should')
    return { numbers: { ...cost } }
  },

  report(results) {
    const rows = results
      .subjects(VARIANT)
      .map((subject) => [subject, withSpread(results.spread(VARIANT, subject, 'cpuNs'))])
    return `One look at an executor with all histograms filled\n\n${table(['', 'CPU ns'], rows)}`
  },
}

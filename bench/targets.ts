/**
 * Is it fast enough? What the library wants to reach, and what this run says. Ratios are of medians of CPU time, of one
 * interleaved run; the range behind each is that of single rounds.
 */
import { burstTimeoutsRatio, ONE_OPERATION } from './cases/churn.ts'
import { displacesRatio } from './cases/full.ts'
import { prometheusRatio, timeoutsRatio } from './cases/price.ts'
import { US } from './peers/index.ts'
import type { Ratio, Results } from './results.ts'
import { number, table, withRange } from './table.ts'

export interface TargetResult {
  readonly what: string
  readonly target: string
  /** Undefined: this run has not measured it. */
  readonly value: number | undefined
  readonly shown: string
  readonly met: boolean | undefined
}

type AllResults = ReadonlyMap<string, Results>
type Point = readonly [variant: string, subject: string]

interface Target {
  readonly what: string
  readonly unit: string
  readonly atMost?: number
  readonly atLeast?: number
  find(all: AllResults): number | Ratio | undefined
}

const ratio =
  (name: string, over: Point, under: Point) =>
  (all: AllResults): Ratio | undefined =>
    all.get(name)?.ratio(over, under, 'cpuNs')

const bytes =
  (size: string) =>
  (all: AllResults): number | undefined =>
    all.get('memory')?.median(size, US, 'bytes')

const operation =
  (subject: string) =>
  (all: AllResults): number | undefined =>
    all.get('churn')?.quantile(ONE_OPERATION, subject, 'operationNs', 0.5)

const startRatio =
  (peer: string, q: number) =>
  (all: AllResults): number | undefined => {
    const start = (subject: string): number => all.get('latency')?.quantile('idle', subject, 'startUs', q) ?? Number.NaN
    const value = start(US) / start(peer)
    return Number.isNaN(value) ? undefined : value
  }

const settled =
  (name: string, peer: string) =>
  (all: AllResults): number | undefined => {
    const of = (subject: string): number => all.get(name)?.quantile('alone', subject, 'settledUs', 0.5) ?? Number.NaN
    const value = of(US) / of(peer)
    return Number.isNaN(value) ? undefined : value
  }

const targets: readonly Target[] = [
  {
    what: 'closed loop, trivial async task, of fastq',
    unit: '×',
    atMost: 1.25,
    find: ratio('closed-loop', ['trivial', US], ['trivial', 'fastq']),
  },
  {
    what: 'closed loop, trivial async task: p-queue takes',
    unit: '×',
    atLeast: 8,
    find: ratio('closed-loop', ['trivial', 'p-queue'], ['trivial', US]),
  },
  {
    what: 'closed loop, trivial async task, of the bare loop',
    unit: '×',
    atMost: 3,
    find: ratio('closed-loop', ['trivial', US], ['trivial', 'bare loop']),
  },
  {
    what: 'closed loop, setImmediate task, of the bare loop',
    unit: '×',
    atMost: 1.3,
    find: ratio('closed-loop', ['setImmediate', US], ['setImmediate', 'bare loop']),
  },
  {
    what: 'closed loop in AsyncLocalStorage contexts, of fastq',
    unit: '×',
    atMost: 1.4,
    find: ratio('closed-loop', ['contexts', US], ['contexts', 'fastq']),
  },
  { what: 'lightly loaded, settled p50, of fastq', unit: '×', atMost: 2, find: settled('lightly-loaded', 'fastq') },
  {
    what: 'lightly loaded, settled p50, of p-queue',
    unit: '×',
    atMost: 0.5,
    find: settled('lightly-loaded', 'p-queue'),
  },
  { what: 'one at a time, settled p50, of fastq', unit: '×', atMost: 1.8, find: settled('one-at-a-time', 'fastq') },
  {
    what: 'one at a time, settled p50, of p-queue',
    unit: '×',
    atMost: 0.45,
    find: settled('one-at-a-time', 'p-queue'),
  },
  {
    what: 'burst of 100 k over four tiers, of fastq',
    unit: '×',
    atMost: 0.8,
    find: ratio('burst', ['100 k', US], ['100 k', 'fastq']),
  },
  {
    what: 'burst of 100 k over four tiers: p-queue takes',
    unit: '×',
    atLeast: 15,
    find: ratio('burst', ['100 k', 'p-queue'], ['100 k', US]),
  },
  { what: 'idle submit → start, p99, of p-queue', unit: '×', atMost: 1, find: startRatio('p-queue', 0.99) },
  { what: 'one waiting request, at 100 k', unit: ' bytes', atMost: 300, find: bytes('100 k') },
  { what: 'one waiting request, at 1 M', unit: ' bytes', atMost: 300, find: bytes('1 M') },
  {
    what: 'a wait and a run timeout on each request, closed loop, of none',
    unit: '×',
    atMost: 1.3,
    find: ratio('price', timeoutsRatio.over, timeoutsRatio.under),
  },
  {
    what: 'a wait and a run timeout on each request, burst of 100 k, of none',
    unit: '×',
    atMost: 1.3,
    find: ratio('churn', burstTimeoutsRatio.over, burstTimeoutsRatio.under),
  },
  {
    what: 'Prometheus attached, closed loop, of none',
    unit: '×',
    atMost: 1.1,
    find: ratio('price', prometheusRatio.over, prometheusRatio.under),
  },
  {
    what: 'a full queue: a newcomer that displaces the last one, of one that is refused',
    unit: '×',
    atMost: 1.5,
    find: ratio('full', displacesRatio.over, displacesRatio.under),
  },
  { what: '100 k waiting: cancel, median', unit: ' ns', atMost: 2_000, find: operation('cancel by handle') },
  { what: '100 k waiting: setPriority, median', unit: ' ns', atMost: 2_000, find: operation('setPriority') },
  { what: '100 k waiting: position, median', unit: ' ns', atMost: 2_000, find: operation('position') },
]

export function judge(all: AllResults): TargetResult[] {
  return targets.map(({ what, unit, atMost, atLeast, find }) => {
    const found = find(all)
    const value = typeof found === 'number' ? found : found?.value
    return {
      what,
      target: atMost === undefined ? `≥ ${number(atLeast)}${unit}` : `≤ ${number(atMost)}${unit}`,
      value,
      shown: typeof found === 'number' ? `${number(found)}${unit}` : withRange(found),
      met: value === undefined ? undefined : atMost === undefined ? value >= (atLeast as number) : value <= atMost,
    }
  })
}

export function targetsTable(judged: readonly TargetResult[]): string {
  const rows = judged.map(({ what, target, shown, met }) => [
    what,
    shown,
    target,
    met === undefined ? 'not measured' : met ? 'met' : 'NOT MET',
  ])
  return `Targets\n\n${table(['', 'this run', 'target', ''], rows)}`
}

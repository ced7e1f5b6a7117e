/**
 * How does it compare with those who do the same? The table of the README, and the targets that belong to it: each line is one
 * interleaved run.
 *
 *     npm run bench:compare [-- --rounds 5] [--only lightly] [--write]
 *
 * `--write` puts the table into README.md.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Case } from './case.ts'
import { jitlessCase, lightlyLoadedCase, oneAtATimeCase } from './cases/alone.ts'
import { burstCase } from './cases/burst.ts'
import { closedLoopCase } from './cases/closed-loop.ts'
import { memoryCase } from './cases/memory.ts'
import { runCase } from './driver.ts'
import type { IdleCallCounts } from './idle-calls.ts'
import { describeMachine, machineLines } from './machine.ts'
import { US } from './peers/index.ts'
import type { Results } from './results.ts'
import { number, table, times } from './table.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
})

/** At most so many times what another takes; of p-queue, at least so many times less. */
interface Target {
  readonly peer: string
  readonly atMost: number
}

interface Line {
  readonly what: string
  readonly case: Case
  readonly variant: string
  readonly metric: string
  readonly unit: string
  readonly peers: readonly string[]
  readonly targets: readonly Target[]
}

const OTHERS = [US, 'fastq', 'p-queue']
const WITH_BARE_LOOP = ['bare loop', ...OTHERS]

const lines: readonly Line[] = [
  {
    what: 'lightly loaded, settled p50',
    ...{ case: lightlyLoadedCase, variant: 'alone', metric: 'settledUs', unit: 'µs', peers: OTHERS },
    targets: [
      { peer: 'fastq', atMost: 2 },
      { peer: 'p-queue', atMost: 0.5 },
    ],
  },
  {
    what: 'one at a time, settled p50',
    ...{ case: oneAtATimeCase, variant: 'alone', metric: 'settledUs', unit: 'µs', peers: OTHERS },
    targets: [
      { peer: 'fastq', atMost: 1.8 },
      { peer: 'p-queue', atMost: 0.45 },
    ],
  },
  {
    what: 'one at a time, --jitless, settled p50',
    ...{ case: jitlessCase, variant: 'alone', metric: 'settledUs', unit: 'µs', peers: OTHERS },
    targets: [],
  },
  {
    what: 'closed loop, async task, CPU',
    ...{ case: closedLoopCase, variant: 'trivial', metric: 'cpuNs', unit: 'ns', peers: WITH_BARE_LOOP },
    targets: [
      { peer: 'fastq', atMost: 1.25 },
      { peer: 'p-queue', atMost: 1 / 8 },
    ],
  },
  {
    what: 'closed loop, its first pass, CPU',
    ...{ case: closedLoopCase, variant: 'trivial', metric: 'firstCpuNs', unit: 'ns', peers: WITH_BARE_LOOP },
    targets: [],
  },
  {
    what: '… that awaits setImmediate, CPU',
    ...{ case: closedLoopCase, variant: 'setImmediate', metric: 'cpuNs', unit: 'ns', peers: WITH_BARE_LOOP },
    targets: [{ peer: 'bare loop', atMost: 1.3 }],
  },
  {
    what: '… in AsyncLocalStorage contexts, CPU',
    ...{ case: closedLoopCase, variant: 'contexts', metric: 'cpuNs', unit: 'ns', peers: WITH_BARE_LOOP },
    targets: [{ peer: 'fastq', atMost: 1.4 }],
  },
  {
    what: 'burst of 100,000 over four priorities, CPU',
    ...{ case: burstCase, variant: '100 k', metric: 'cpuNs', unit: 'ns', peers: WITH_BARE_LOOP },
    targets: [{ peer: 'fastq', atMost: 0.8 }],
  },
  {
    what: 'one that waits, of 100,000',
    ...{ case: memoryCase, variant: '100 k', metric: 'bytes', unit: 'bytes', peers: OTHERS },
    targets: [],
  },
].filter(({ what }) => what.includes(values.only))

const heading = `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${machineLines(describeMachine())}`
console.log(heading)

const idleCalls = execFileSync(process.execPath, [join(import.meta.dirname, 'idle-calls.ts')], { encoding: 'utf8' })
const { own, node } = (JSON.parse(idleCalls) as IdleCallCounts).plain
console.log(`\nCalls per idle request: ${own} of our own, ${node} of Node's (target: at most 45 in all)`)

const measured = new Map<string, Results>()
const rows: string[][] = []
const judged: string[][] = []
for (const line of lines) {
  const key = `${line.case.name} ${line.variant}`
  let results = measured.get(key)
  if (results === undefined) {
    const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) }
    const run = await runCase(line.case, {
      ...{ peers: line.peers, only: line.variant, flags: [], env: { BENCH_QUICK: '0', BENCH_DIST: '0' }, ...rounds },
      progress: (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[2K${text}`),
    })
    for (const failure of run.failures) console.error(`FAILED: ${failure}`)
    if (run.failures.length > 0) process.exitCode = 1
    results = run.results
    measured.set(key, results)
  }
  const median = (peer: string): number => results.median(line.variant, peer, line.metric) ?? Number.NaN
  const us = median(US)
  const cell = (peer: string): string => (Number.isNaN(median(peer)) ? '' : times(us / median(peer)))
  rows.push([line.what, `${number(us)} ${line.unit}`, cell('bare loop'), cell('fastq'), cell('p-queue')])
  for (const { peer, atMost } of line.targets) {
    const ratio = us / median(peer)
    judged.push([line.what, peer, times(ratio), `≤ ${times(atMost)}`, ratio <= atMost ? 'met' : 'NOT MET'])
  }
}

const compared = table(['', 'triage-queue', 'of a bare slot loop', 'of fastq', 'of p-queue'], rows)
console.log(`\n${compared}\n\n${table(['', 'of', 'this run', 'target', ''], judged)}`)
if (values.write && values.only === '') writeReadme(compared)

/** Between the two marks of README.md. */
function writeReadme(text: string): void {
  const file = join(import.meta.dirname, '..', 'README.md')
  const [begin, end] = ['<!-- bench:compare: begin -->', '<!-- bench:compare: end -->']
  const readme = readFileSync(file, 'utf8')
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has lost its marks`)
  writeFileSync(file, `${readme.slice(0, from + begin.length)}\n\n${text}\n\n${readme.slice(to)}`)
}

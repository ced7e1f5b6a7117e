/**
 * Is it slower than it was? This checkout (or a third one) against another one, in one interleaved run: in each round both are measured one
 * after the other, each in a process of its own, and what counts is the median of the rounds' ratios.
 *
 *     git worktree add ../before HEAD~1
 *     node bench/against.ts ../before [../now] [--rounds 15] [--only burst] [--at-most 1.03]
 *
 * The exit code is 1 when a ratio is above `--at-most`.
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { burstCase } from './cases/burst.ts'
import { closedLoopCase } from './cases/closed-loop.ts'
import { priceCase } from './cases/price.ts'
import { type DriverOptions, runChild } from './driver.ts'
import { describeMachine, machineLines } from './machine.ts'
import { US } from './peers/index.ts'
import { number, table } from './table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', default: '' },
    'at-most': { type: 'string', default: 'Infinity' },
  },
})
const [before, now = join(import.meta.dirname, '..')] = positionals
if (before === undefined) throw new Error('node bench/against.ts DIRECTORY: the checkout to compare with')
const checkouts = [resolve(before), resolve(now)] as const
const rounds = Number(values.rounds)

const LISTENER = 'a listener for completed'
const GUARD = 'overload: codel()'
const measured = [
  { name: 'closed loop, async task', case: closedLoopCase, variant: 'trivial', subject: US },
  { name: 'closed loop, setImmediate', case: closedLoopCase, variant: 'setImmediate', subject: US },
  { name: 'burst of 1 k', case: burstCase, variant: '1 k', subject: US },
  { name: 'burst of 100 k', case: burstCase, variant: '100 k', subject: US },
  // The full path.
  { name: 'closed loop, one listener', case: priceCase, variant: 'closed loop', subject: LISTENER },
  { name: 'closed loop, one guard', case: priceCase, variant: 'closed loop', subject: GUARD },
].filter(({ name }) => name.includes(values.only))

const ratios = new Map(measured.map(({ name }) => [name, [] as number[]]))
const costs = new Map(measured.map(({ name }) => [name, [[], []] as [number[], number[]]]))

console.log(`${process.argv.slice(2).join(' ')}\n${machineLines(describeMachine())}\n`)
for (let round = 0; round < rounds; round++) {
  for (const { name, ...each } of measured) {
    // Which one comes first changes with each round.
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)
    const took: number[] = []
    for (const which of order) {
      const options: DriverOptions = {
        ...{ peers: [US], flags: [], progress: () => {} },
        env: { BENCH_CHECKOUT: checkouts[which], BENCH_QUICK: '0', BENCH_DIST: '0' },
      }
      const { numbers } = await runChild(each.case, { variant: each.variant, subject: each.subject }, options)
      took[which] = numbers.cpuNs as number
      costs.get(name)?.[which].push(numbers.cpuNs as number)
    }
    ratios.get(name)?.push((took[1] as number) / (took[0] as number))
  }
}

const quantile = (all: readonly number[], q: number): number => {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.floor(q * (sorted.length - 1))] as number
}
const rows = [...ratios].map(([name, all]) => {
  const [was, is] = costs.get(name) as [number[], number[]]
  const of = (q: number): string => quantile(all, q).toFixed(3)
  return [name, number(quantile(was, 0.5)), number(quantile(is, 0.5)), of(0.5), of(0.25), of(0.75)]
})
console.log(table(['', 'before, CPU ns', 'now, CPU ns', 'median ratio', 'first quartile', 'third'], rows))
if (rows.some(([, , , median]) => Number(median) > Number(values['at-most']))) process.exitCode = 1

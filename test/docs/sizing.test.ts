/** docs/sizing.md: its tables are what `size()` says. */
import { readFileSync } from 'node:fs'
import { size } from 'triage-queue/simulation'
import { expect, test } from 'vitest'

const page = readFileSync(new URL('../../docs/sizing.md', import.meta.url), 'utf8')
const rowsBelow = (heading: string): string[][] =>
  (page.split(heading)[1] as string)
    .split('\n\n', 1)[0]
    ?.split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('|--'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ) as string[][]
const number = (cell: string | undefined): number => Number(cell?.replaceAll(/[, %]|ms/g, ''))

test('the table of slots: as many a second as keep the promise', () => {
  for (const [slots, rate, busy] of rowsBelow('| slots | requests of 3.5 s a second').slice(1)) {
    const at = (ratePerSecond: number) =>
      size({ ratePerSecond, runMs: 3_500, slots: number(slots), goals: ['p99wait < 200ms', 'refused < 100%'] })
    expect([at(number(rate) - 0.1).isEnough, at(number(rate) + 0.1).isEnough]).toEqual([true, false])
    expect(Math.round(at(number(rate)).utilization * 100)).toBe(number(busy))
  }
})

test('the table of variation', () => {
  for (const [, cv, mean, p99] of rowsBelow('| the runs | `cv`').slice(1)) {
    const { wait } = size({ ratePerSecond: 50, runMs: 200, slots: 12, cv: number(cv) })
    expect([Math.round(wait.meanMs), Math.round(wait.p99Ms)]).toEqual([number(mean), number(p99)])
  }
})

/** Rounded down to two digits. */
function mostSlots(memoryBytes: number, overHttp: boolean): number {
  let [low, high] = [1, 1_000_001]
  while (high - low > 1) {
    const slots = (low + high) >> 1
    const options = { ratePerSecond: 1, runMs: 1, slots, maxQueueSize: overHttp ? slots : 0, overHttp, memoryBytes }
    if (size(options).memory.fits) low = slots
    else high = slots
  }
  const unit = 10 ** Math.max(Math.floor(Math.log10(low)) - 1, 0)
  return Math.floor(low / unit) * unit
}

test('the table of memory: with a quarter to spare', { timeout: 60_000 }, () => {
  const rows = rowsBelow('<!-- table: test/docs/sizing.test.ts -->\n\n').slice(1)
  expect(rows).toHaveLength(5)
  for (const [memory, threads, library, service] of rows) {
    const bytes = Number(memory?.split(' ')[0]) * 1024 ** 3
    expect(number(threads)).toBe(Math.floor((bytes * 0.75) / (8 * 1024 ** 2)))
    expect([number(library), number(service)], memory).toEqual([mostSlots(bytes, false), mostSlots(bytes, true)])
  }
})

/** The figures in README.md are those of the last run in bench/README.md, which `npm run bench -- --write` writes. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (page: string): string => readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
const bench = read('bench/README.md')

/** The cells of one row of the table that stands below a title; the first one is that of its name. */
function row(title: string, name: string): string[] {
  const [, table] = bench.split(`\n${title}\n\n`)
  const line = table
    ?.split('\n\n', 1)[0]
    ?.split('\n')
    .find((each) => each.split('|')[1]?.trim() === name)
  if (line === undefined) throw new Error(`bench/README.md has no row '${name}' under '${title}'`)
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
}

/** The number that a cell begins with. */
function figure(cells: readonly string[], column: number): number {
  const [number] = /^[\d.,]+/.exec(cells[column] ?? '') ?? []
  return Number((number as string).replaceAll(',', ''))
}

const micros = (ns: number): string => (ns / 1_000).toFixed(1)
const target = (name: string): number => figure(row('Targets', name), 1)
const waiting = (name: string): number =>
  figure(row('100 k waiting over four tiers, one operation on one at random', name), 1)
const bytes = (peer: string): number => figure(row('Heap of one waiting request, its promise included', peer), 3)

test('the table of what it costs is that of the last run', () => {
  const loop = figure(row('Closed loop, a trivial async task', 'triage-queue'), 1)
  const burst = figure(row('A burst of 100 k over four tiers, and what every request has', 'priority only'), 1)
  const timeouts = row('The price of each feature of triage-queue, one at a time', 'wait and run timeout')
  const table = [
    `| closed loop, 64 submitters, 10 slots | ${micros(loop)} µs | ${target('closed loop, trivial async task, of the bare loop')} times a bare slot loop, ${target('closed loop, trivial async task, of fastq')} times fastq (which has no priorities, bounds or statistics); p-queue takes ${target('closed loop, trivial async task: p-queue takes')} times as much |`,
    `| a burst of 100,000 over four priorities | ${micros(burst)} µs | ${target('burst of 100 k over four tiers, of fastq')} times fastq; p-queue takes ${target('burst of 100 k over four tiers: p-queue takes')} times as much |`,
    `| one that waits | ${bytes('triage-queue')} bytes | fastq ${bytes('fastq')}, p-queue ${bytes('p-queue')} |`,
    `| 100,000 wait: cancel · new priority · position | ${['cancel by handle', 'setPriority', 'position'].map((name) => micros(waiting(name))).join(' · ')} µs | |`,
    `| a wait and a run timeout on each | ${micros(figure(timeouts, 1))} µs | ${figure(timeouts, 4)} times without |`,
  ]
  const readme = read('README.md').split('\n')
  const at = readme.findIndex((line) => line.startsWith('| closed loop, 64 submitters'))
  expect(readme.slice(at, at + table.length)).toEqual(table)
})

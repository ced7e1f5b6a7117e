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
const waiting = (name: string): number =>
  figure(row('100 k waiting over four tiers, one operation on one at random', name), 1)

test('what it costs is what the last run says', () => {
  const [cancel, priority, position] = ['cancel by handle', 'setPriority', 'position'].map((name) =>
    micros(waiting(name)),
  )
  const timeouts = row('The price of each feature of triage-queue, one at a time', 'wait and run timeout')
  const readme = read('README.md').replaceAll('\n', ' ')
  expect(readme).toContain(
    `to cancel one takes ${cancel} µs of CPU time, another priority ${priority} µs, its position ${position} µs.`,
  )
  expect(readme).toContain(`A wait and a run timeout on each request make it ${figure(timeouts, 4)} times as dear`)
})

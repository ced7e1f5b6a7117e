/**
 * Writes the table of what a back end can't promise into `docs/back-ends.md`: `node tools/draw-back-ends.ts`. A test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { backEnds, exceptions } from '../test/contract/exceptions.ts'

const BEGIN = '<!-- exceptions -->'
const END = '<!-- /exceptions -->'

/** The page, with the table as it is now. */
export function withTable(page: string): string {
  const [before, rest] = page.split(BEGIN) as [string, string]
  const [, after] = rest.split(END) as [string, string]
  return `${before}${BEGIN}\n${table()}\n${END}${after}`
}

function table(): string {
  const rows = Object.entries(exceptions).map(([promise, by]) => {
    return `| ${promise} | ${backEnds.map((backEnd) => by[backEnd] ?? '✓').join(' | ')} |`
  })
  return [`| promise | ${backEnds.join(' | ')} |`, `|---|${backEnds.map(() => '---|').join('')}`, ...rows].join('\n')
}

if (process.argv[1] === import.meta.filename) {
  const path = join(import.meta.dirname, '../docs/back-ends.md')
  writeFileSync(path, withTable(readFileSync(path, 'utf8')))
}

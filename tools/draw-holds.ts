/**
 * Writes the table of what holds in each shard into `docs/threads.md`: `node tools/draw-holds.ts`. A test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { whatHolds } from '../src/threads/what-holds.ts'

const BEGIN = '<!-- holds -->'
const END = '<!-- /holds -->'

/** The page, with the table as it is now. */
export function withHolds(page: string): string {
  const [before, rest] = page.split(BEGIN) as [string, string]
  const [, after] = rest.split(END) as [string, string]
  const rows = whatHolds.map(({ promise, holds, so }) => `| ${promise} | ${holds} | ${so} |`)
  return `${before}${BEGIN}\n${['| promise | holds | |', '|---|---|---|', ...rows].join('\n')}\n${END}${after}`
}

if (process.argv[1] === import.meta.filename) {
  const path = join(import.meta.dirname, '../docs/threads.md')
  writeFileSync(path, withHolds(readFileSync(path, 'utf8')))
}

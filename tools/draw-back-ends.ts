/**
 * Writes the table of what a back end can't promise into `docs/back-ends.md`, and that of each member and option into `docs/redis.md`:
 * `node tools/draw-back-ends.ts`. Tests compare.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as deviations from '../test/contract/deviations.ts'
import { backEnds, exceptions } from '../test/contract/exceptions.ts'

/** The page, with the table as it is now. */
export function withTable(page: string): string {
  return withPart(page, 'exceptions', table())
}

/** The page, with the rows of each member and option as they are now. */
export function withDeviations(page: string): string {
  const { members, handleMembers, runMembers, requestOptions, executorOptions } = deviations
  const parts = [
    part('member of an executor', members),
    part('option of an executor', executorOptions),
    part('option of a request', requestOptions),
    part('member of a handle', handleMembers),
    part('member of a run', runMembers),
  ]
  return withPart(page, 'deviations', parts.join('\n\n'))
}

function part(what: string, rows: { readonly [name: string]: readonly string[] }): string {
  const lines = Object.entries(rows).map(([name, cells]) => `| \`${name}\` | ${cells.join(' | ')} |`)
  const { columns } = deviations
  return [`| ${what} | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---|').join('')}`, ...lines].join('\n')
}

function withPart(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, rest] = page.split(begin) as [string, string]
  const [, after] = rest.split(end) as [string, string]
  return `${before}${begin}\n${text}\n${end}${after}`
}

function table(): string {
  const rows = Object.entries(exceptions).map(([promise, by]) => {
    return `| ${promise} | ${backEnds.map((backEnd) => by[backEnd] ?? '✓').join(' | ')} |`
  })
  return [`| promise | ${backEnds.join(' | ')} |`, `|---|${backEnds.map(() => '---|').join('')}`, ...rows].join('\n')
}

if (process.argv[1] === import.meta.filename) {
  for (const [page, withIt] of [
    ['back-ends.md', withTable],
    ['redis.md', withDeviations],
  ] as const) {
    const path = join(import.meta.dirname, '../docs', page)
    writeFileSync(path, withIt(readFileSync(path, 'utf8')))
  }
}

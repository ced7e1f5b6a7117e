/**
 * Writes the reference of routes in `docs/http.md` from the table that is the router: `node tools/http-reference.ts`. A test says when
 * that is due.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { problemCodes } from '../src/http/problem.ts'
import type { Route } from '../src/http/route.ts'
import { routes } from '../src/http/table.ts'

const page = join(import.meta.dirname, '../docs/http.md')
const begin = '<!-- routes: written by tools/http-reference.ts -->'
const end = '<!-- end of routes -->'

const titles: readonly (readonly [tag: Route['tag'], title: string])[] = [
  ['requests', 'Requests'],
  ['queues', 'Queues'],
  ['events', 'Events'],
  ['service', 'The service itself'],
  ['aliases', 'Names of earlier systems'],
]

/** The page as it should be. */
export function withReference(text: string): string {
  const [head, rest] = text.split(begin)
  const tail = rest?.split(end)[1]
  if (head === undefined || tail === undefined) throw new Error(`docs/http.md lacks '${begin}' or '${end}'`)
  return `${head}${begin}\n\n${reference()}\n${end}${tail}`
}

function reference(): string {
  const parts = titles.map(([tag, title]) => {
    const lines = routes.filter((route) => route.tag === tag).map(lineOf)
    return `### ${title}\n\n| route | level | what it does | answers |\n|---|---|---|---|\n${lines.join('\n')}\n`
  })
  const headers = new Map(routes.flatMap((route) => Object.entries(route.headers ?? {})))
  const headerLines = [...headers].map(([name, what]) => `| \`${name}\` | ${what} |`)
  const codeLines = Object.entries(problemCodes).map(([code, what]) => `| \`${code}\` | ${what} |`)
  return [
    ...parts,
    `### Headers that are read\n\n| header | what it means |\n|---|---|\n${headerLines.join('\n')}\n`,
    `### Codes of the service itself\n\n| \`code\` | what it means |\n|---|---|\n${codeLines.join('\n')}\n`,
  ].join('\n')
}

function lineOf({ method, path, level, summary, answers }: Route): string {
  const shown = path.replaceAll(/\/:(\w+)/g, '/{$1}')
  const told = Object.entries(answers).map(([status, what]) => `${status}: ${what}`)
  return `| \`${method} ${shown}\` | ${level} | ${summary} | ${told.join('<br>')} |`
}

if (import.meta.main) writeFileSync(page, withReference(readFileSync(page, 'utf8')))

/** `docs/migrate.md`: each row of its tables runs in both columns, is sound TypeScript in ours, and has the same answer. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/migrate.md'), 'utf8')
// Inside the project, so that packages are found.
const folder = mkdtempSync(join(root, '.migrate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const theirs = {
  'p-queue': `import PQueue from 'p-queue'\nconst queue = new PQueue({ concurrency: 4 })`,
  'p-limit': `import pLimit, { limitFunction } from 'p-limit'\nconst limit = pLimit(4)`,
  bottleneck: `import Bottleneck from 'bottleneck'\nconst limiter = new Bottleneck({ maxConcurrent: 4 })`,
}
const ours = `import { backoff, TaskQueue, tokenBucket } from 'triage-queue'
  const queue = new TaskQueue({ concurrency: 4 })`

/** What the cells find. */
const given = `const task = async () => 'done'
  const load = async (id: string, _signal?: AbortSignal) => \`loaded \${id}\`
  const ids = ['a', 'b']
  const { signal } = new AbortController()
  void [task, load, ids, signal]`

function rowsOf(library: string): [string, string][] {
  const [, section] = page.split(`\n## ${library}\n`) as [string, string]
  const table = (section.split('\n## ')[0] as string).matchAll(/^\| `(.+?)`[^|]* \| `(.+?)`[^|]* \|$/gm)
  return [...table].map(([, there, here]) => [there as string, here as string])
}

/** A module that prints what each of these answers; of what is made, that it is an object; of a wrapped `load`, its answer. */
function program(head: string, cells: readonly string[]): string {
  const each = cells.map((cell) => {
    const isWrapped = /^(queue|limiter)\.wrap|^limitFunction/.test(cell)
    return `await shown(async () => (${cell})${isWrapped ? `('a')` : ''})`
  })
  return `${head}
    ${given}
    const shown = async (cell: () => unknown) => {
      const value = await cell()
      return Array.isArray(value) || Object(value) !== value ? (value ?? null) : 'an object'
    }
    console.log(JSON.stringify([${each.join(',\n')}]))
    export {}`
}

test.each(Object.keys(theirs))(
  '%s: each row runs in both columns, and has the same answer',
  { timeout: 120_000 },
  async (library) => {
    const rows = rowsOf(library)
    expect(rows.length).toBeGreaterThanOrEqual(8)
    const run = async (name: string, text: string): Promise<unknown[]> => {
      const file = join(folder, `${library}-${name}.mts`)
      writeFileSync(file, text)
      const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root })
      return JSON.parse(stdout)
    }
    const there = program(
      theirs[library as keyof typeof theirs],
      rows.map(([cell]) => cell),
    )
    const here = program(
      ours,
      rows.map(([, cell]) => cell),
    )
    const [answersThere, answersHere] = await Promise.all([
      run('there', there),
      run('here', here.replace(`'triage-queue'`, `'${root}src/index.ts'`)),
    ])
    for (const [i, [cell]] of rows.entries()) {
      const [before, after] = [answersThere[i], answersHere[i]]
      // What is made, attached to or started answers with an object, or with nothing.
      if (![before, after].some((answer) => answer === 'an object' || answer === null))
        expect([cell, after]).toEqual([cell, before])
    }
    writeFileSync(join(folder, `${library}.mts`), here)
  },
)

test('no row is left out', () => {
  const rows = Object.keys(theirs).flatMap(rowsOf)
  expect(rows).toHaveLength([...page.matchAll(/^\| `/gm)].length)
})

test('our column is sound TypeScript', { timeout: 120_000 }, async () => {
  const config = { extends: '../tsconfig.json', files: Object.keys(theirs).map((library) => `${library}.mts`) }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: root })
  await tsc.catch(({ stdout, stderr }) => {
    throw new Error(`${stdout}${stderr}`)
  })
})

test('each link of the page leads somewhere', () => {
  const links = [...page.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path as string)
  expect(links.filter((path) => !existsSync(join(root, 'docs', path)))).toEqual([])
})

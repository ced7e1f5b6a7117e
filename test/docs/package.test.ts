/** What comes with the package: its pages, its examples, and no link that leads nowhere. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: root, encoding: 'utf8' })

const [{ files }] = JSON.parse(run('npm', 'pack', '--dry-run', '--json', '--ignore-scripts')) as [
  { files: { path: string }[] },
]
const packed = files.map(({ path }) => path)
const kept = run('git', 'ls-files', '--cached', '--others', '--exclude-standard')
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))

/** Of a page: the links to other files, and to headings. */
function linksOf(page: string): { path: string; anchor: string | undefined }[] {
  const prose = text(page)
    .replaceAll(/^```.*?^```/gms, '')
    .replaceAll(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, path, anchor]) => ({
    path: path === '' ? page : normalize(join(dirname(page), path as string)).replace(/\/$/, ''),
    anchor,
  }))
}

/** As it is written in a link. */
function anchorsOf(page: string): string[] {
  return [...text(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function deadLinks(pages: readonly string[], there: readonly string[]): string[] {
  return pages.flatMap((page) =>
    linksOf(page).flatMap(({ path, anchor }) => {
      const isThere = there.includes(path) || there.some((each) => each.startsWith(`${path}/`))
      const leads = isThere && (anchor === undefined || anchorsOf(path).includes(anchor))
      return leads ? [] : [`${page}: ${path}${anchor === undefined ? '' : `#${anchor}`}`]
    }),
  )
}

const pagesOf = (all: readonly string[]): string[] => all.filter((path) => path.endsWith('.md'))

test('the package has the docs, SECURITY.md, the changelog, and the sources of the examples', () => {
  const ours = kept.filter((path) => /^(docs|examples)\//.test(path))
  for (const path of [...ours, 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE']) expect(packed).toContain(path)
  expect(packed.filter((path) => /^(src|test|tools|bench|coverage|node_modules)\//.test(path))).toEqual([])
})

test('no link of a page in the package leads to what is not in it', () => {
  expect(pagesOf(packed).length).toBeGreaterThan(5)
  expect(deadLinks(pagesOf(packed), packed)).toEqual([])
})

test('no link of a page in the repository leads nowhere', () => {
  expect(deadLinks(pagesOf(kept), kept)).toEqual([])
})

test('SECURITY.md names each variable of the environment that is read, and no module is used that opens, writes or starts anything, but by the store, the service, the threads and the program', () => {
  const page = text('SECURITY.md')
  const sources = kept.filter((path) => path.startsWith('src/') && path.endsWith('.ts')).map(text)
  const read = new Set(
    sources.flatMap((source) => [...source.matchAll(/environment\('(\w+)'\)/g)].map(([, name]) => name as string)),
  )
  const named = new Set([...page.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name as string))
  expect([...read].sort()).toEqual([...named].sort())
  // One place alone reads it, for a name that is given there.
  expect(sources.filter((source) => /process\.env/.test(source))).toEqual([text('src/core/environment.ts')])
  const others = kept.filter((path) => /^src\/(?!(?:sqlite|http|threads|cli)\/).*\.ts$/.test(path)).map(text)
  const modules = new Set(
    others.flatMap((source) =>
      [...source.matchAll(/(?:from |getBuiltinModule\()'node:([\w/]+)'/g)].map(([, name]) => name as string),
    ),
  )
  expect([...modules].sort()).toEqual(['async_hooks', 'module', 'perf_hooks', 'timers', 'timers/promises', 'util'])
})

/**
 * Does it work on Bun and Deno, as on Node? The quick start, a smoke test of the laws, fake timers; on Deno the first two without
 * any permission.
 *
 * Needs `npm run build` first.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cells, install, modules, nodeOf, tryAll } from './runners.ts'

install()

/** What each needs to be asked for the same things. */
const runtimes = [
  { name: 'Bun', command: binaryIn('@oven', /^bun-.*(?<!-musl|-android)$/, 'bin/bun'), plain: [], test: [] },
  {
    name: 'Deno',
    command: binaryIn('@deno', /-glibc$|darwin|win32/, 'deno'),
    plain: ['run'],
    test: ['run', '--allow-env'],
  },
]

mkdirSync(cells, { recursive: true })
const quickStart = join(cells, 'quick-start.ts')
const source = readFileSync(join(import.meta.dirname, '..', 'examples', 'quick-start.ts'), 'utf8')
writeFileSync(quickStart, source.replaceAll('../src/index.ts', 'triage-queue'))

tryAll([
  ...runtimes.flatMap(({ name, command, plain, test }) => [
    { name: `${name}: quick start`, command, args: [...plain, quickStart] },
    { name: `${name}: laws`, command, args: [...plain, 'laws.mjs'] },
    { name: `${name}: fake timers of sinon`, command, args: [...test, 'sinon-anywhere.mjs'] },
  ]),
  { name: 'Bun: fake timers of bun test', command: runtimes[0]?.command as string, args: ['test', './bun.test.mjs'] },
  ...['n22', 'n26'].map((node) => ({ name: `Node ${node.slice(1)}: laws`, command: nodeOf(node), args: ['laws.mjs'] })),
])

/** The program itself, in the package for this platform: no install script is run. */
function binaryIn(scope: string, wanted: RegExp, path: string): string {
  const name = readdirSync(join(modules, scope)).find((each) => wanted.test(each))
  if (name === undefined) throw new Error(`There is no ${scope} for this platform`)
  return join(modules, scope, name, path)
}

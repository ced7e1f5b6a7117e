/** Is piscina asked for only when it is needed, and what is said when it is not there? In a process of its own. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'

// Starting a process takes its time on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const source = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

/** What a program prints; piscina is nowhere to be found, or is an old one. */
function run(found: string, lines: readonly string[]): unknown {
  const program = [
    `import { registerHooks } from 'node:module'`,
    `const asked = []`,
    `registerHooks({ resolve(name, context, next) {`,
    `  if (name !== 'piscina') return next(name, context)`,
    `  asked.push(name)`,
    `  ${found}`,
    `} })`,
    `const { QueuedExecutor } = await import(${source('index.ts')})`,
    `const { shards, threads } = await import(${source('threads/index.ts')})`,
    `const refusal = () => { try { threads('/work.js') } catch (error) { return [error.code, error.message] } }`,
    ...lines,
  ]
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program.join('\n')], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

test('without piscina shards work, and threads() says in one line what to do', () => {
  const said = run(`throw Object.assign(new Error('not here'), { code: 'MODULE_NOT_FOUND' })`, [
    `const all = shards(2, () => new QueuedExecutor(async (n) => n * 2))`,
    `const before = asked.length`,
    `console.log(JSON.stringify([await all.execute(21), before, refusal()]))`,
  ])
  expect(said).toEqual([
    ...[42, 0],
    ['TRIAGE_INVALID_OPTIONS', 'threads() needs piscina, which is not installed: npm install piscina'],
  ])
})

test('one that is too old is refused by its version', () => {
  const old = join(mkdtempSync(join(tmpdir(), 'triage-queue-peer-')), 'piscina.cjs')
  writeFileSync(old, `exports.Piscina = class { static version = '5.3.1' }`)
  onTestFinished(() => rmSync(dirname(old), { recursive: true }))
  const found = `return { url: ${JSON.stringify(pathToFileURL(old).href)}, format: 'commonjs', shortCircuit: true }`
  expect(run(found, [`console.log(JSON.stringify(refusal()))`])).toEqual([
    'TRIAGE_INVALID_OPTIONS',
    'threads() needs piscina 5.3.2 or newer, and this is 5.3.1: npm install piscina',
  ])
})

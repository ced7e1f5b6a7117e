/**
 * What is loaded, and when? No peer until an option needs it; and then a clear word when it is not there.
 *
 * In a process of its own: what this one has loaded is loaded.
 */
import { spawnSync } from 'node:child_process'
import { expect, test, vi } from 'vitest'

// Starting a process takes its time on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const source = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

/** What a program prints; it finds in `asked` all packages that we have asked for, and those of `missing` nowhere. */
function run(lines: readonly string[], missing: readonly string[] = []): unknown {
  const program = [
    `import { registerHooks } from 'node:module'`,
    `const asked = []`,
    `const missing = ${JSON.stringify(missing)}`,
    `registerHooks({ resolve(name, context, next) {`,
    `  if (!/^(\\.|\\/|file:|node:)/.test(name) && context.parentURL?.includes('/src/')) asked.push(name)`,
    `  if (missing.includes(name)) throw Object.assign(new Error('not here'), { code: 'MODULE_NOT_FOUND' })`,
    `  return next(name, context)`,
    `} })`,
    `const { QueuedExecutor } = await import(${source('index.ts')})`,
    `const { prometheus } = await import(${source('prometheus/index.ts')})`,
    `const queue = new QueuedExecutor(async () => 1)`,
    `const metrics = new Map()`,
    `const registry = {`,
    `  contentType: 'text/plain',`,
    `  registerMetric: (metric) => metrics.set(metric.name, metric),`,
    `  getSingleMetric: (name) => metrics.get(name),`,
    `  removeSingleMetric: (name) => metrics.delete(name),`,
    `}`,
    `const refusal = (options) => { try { prometheus(queue, options) } catch (error) { return error.message } }`,
    ...lines,
  ]
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program.join('\n')], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

test('with a registry that is given, no peer is asked for', () => {
  const asked = run([`prometheus(queue, { registry })()`, `console.log(JSON.stringify([metrics.size, asked]))`])
  expect(asked).toEqual([0, ['eventemitter3']])
})

test('without prom-client the registry must be given', () => {
  const messages = run(
    [`console.log(JSON.stringify([refusal(), refusal({ registry }) ?? 'fine']))`],
    ['prom-client', '@opentelemetry/api'],
  )
  expect(messages).toEqual([
    "Option 'registry': expected a registry, since prom-client, whose own is the default, is not installed, got undefined",
    'fine',
  ])
})

test('without @opentelemetry/api there are no exemplars', () => {
  const messages = run(
    [
      `const refused = refusal({ registry, exemplars: true })`,
      `console.log(JSON.stringify([refused, metrics.size, refusal({ registry }) ?? 'fine']))`,
    ],
    ['@opentelemetry/api'],
  )
  expect(messages).toEqual([
    "Option 'exemplars': expected false where @opentelemetry/api is not installed, got true",
    0,
    'fine',
  ])
})

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
    `  // prom-client itself finds what it depends on.`,
    `  if (context.parentURL?.includes('/src/') && missing.includes(name)) throw Object.assign(new Error('not here'), { code: 'MODULE_NOT_FOUND' })`,
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

test('only prom-client is asked for, and no other peer until an option needs it', () => {
  const asked = run([`prometheus(queue, { registry })()`, `console.log(JSON.stringify([metrics.size, asked.sort()]))`])
  expect(asked).toEqual([0, ['eventemitter3', 'prom-client']])
})

test('without @opentelemetry/api there are exemplars only with a `traceApi` that is given', () => {
  const messages = run(
    [
      `const refused = refusal({ registry, exemplars: true })`,
      `const traceApi = { getActiveSpan: () => undefined, isSpanContextValid: () => false }`,
      `const given = refusal({ registry, exemplars: true, traceApi }) ?? 'given'`,
      `console.log(JSON.stringify([refused, given]))`,
    ],
    ['@opentelemetry/api'],
  )
  expect(messages).toEqual([
    "Option 'exemplars': expected false where @opentelemetry/api is not found; in a bundle, give its `trace` as `traceApi`, got true",
    'given',
  ])
})

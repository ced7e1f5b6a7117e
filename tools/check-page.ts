/**
 * How large is the dashboard as the built package serves it, against `budget.json`? Needs `npm run build` first. What is served must be
 * whole: a document that names a script and a style sheet, and both of them.
 */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import budget from '../budget.json' with { type: 'json' }

const dist = join(import.meta.dirname, '../dist')
const { QueuedExecutor } = (await import(join(dist, 'index.js'))) as typeof import('../src/index.ts')
const { httpApp } = (await import(join(dist, 'http/index.js'))) as typeof import('../src/http/index.ts')

const queue = new QueuedExecutor(async () => {}, { name: 'any', concurrency: 1 })
const app = httpApp({ queues: queue })
let bytes = 0
try {
  const document = await textAt('/')
  const parts = [...document.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path as string)
  if (parts.length !== 2) throw new Error(`the document names ${parts.length} files: ${parts.join(', ')}`)
  for (const path of parts) await textAt(path)
  const most = budget.page.maxKilobytesGzipped
  const kilobytes = bytes / 1_000
  console.log(`the page: ${kilobytes.toFixed(1)} kB gzipped, budget ${most} kB`)
  if (kilobytes > most) throw new Error('it is larger than budget.json grants')
} catch (error) {
  console.error(`FAILED: the page: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  await app.close()
  await queue.close()
}

async function textAt(path: string): Promise<string> {
  const response = await app.fetch(new Request(`http://localhost${path}`, { headers: { host: 'localhost' } }))
  const text = await response.text()
  if (response.status !== 200 || text.length < 300)
    throw new Error(`${path} is answered with ${response.status}, ${text.length} characters`)
  const size = gzipSync(text, { level: 9 }).length
  console.log(`${path}: ${(size / 1_000).toFixed(1)} kB gzipped`)
  bytes += size
  return text
}

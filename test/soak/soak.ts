/**
 * The soak as a command: `npm run soak -- --requests 10000000 --json soak.json`. Ends with 1 when anything grows, stays or is
 * kept.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { complaints, type Reports } from './support/report.ts'
import { type Part, runPart } from './support/run-part.ts'

const usage = `npm run soak -- [options]

  --requests n    how many mixed requests, and how many through little memory (default 1000000, at least 10000)
  --store         instead: so many records through a store in SQLite
  --json file     write all figures there
  --help          this`

const PROGRESS_MS = 5_000
const DEFAULT_REQUESTS = 1_000_000
/** Fewer would not touch everything. */
const MIN_REQUESTS = 10_000
/** Each is followed with ten objects; more would show nothing new. */
const COLLECTED = 10_000

const lines: { readonly [P in Part]: (report: Reports[P]) => string } = {
  mixed({ heapSlope, codeSlope, points, resourcesAfter }) {
    const [first, last] = [points[0], points.at(-1)].map((point) => ((point?.heapBytes ?? 0) / 1e6).toFixed(1))
    const [heap, code] = [heapSlope, codeSlope].map(
      ({ bytesPerRequest, standardError }) => `${bytesPerRequest.toFixed(3)} ± ${standardError.toFixed(3)}`,
    )
    return `heap ${first} to ${last} MB: ${heap} bytes a request over the last 80 % (compiled code: ${code}); resources at the end ${JSON.stringify(resourcesAfter)}`
  },
  narrow: ({ passedBytes, heapPeakBytes, maxWaiting }) =>
    `${Math.round(passedBytes / 1e6)} MB went through a heap of at most ${Math.round(heapPeakBytes / 1e6)} MB; up to ${maxWaiting} waited`,
  store({ heapSlope, threadSlope, rssBytes, maxFileBytes, maxWalBytes, fileBytes, walBytes, liveBytes, kept, dead }) {
    const { bytesPerRequest, standardError } = heapSlope
    const [early, late] = [rssBytes[Math.floor(rssBytes.length / 5)], rssBytes.at(-1)].map(mb)
    return [
      `kept ${kept} and ${dead} dead letters, ${mb(liveBytes)} MB`,
      `file at most ${mb(maxFileBytes)} MB, ${mb(fileBytes)} at the end; -wal at most ${mb(maxWalBytes)} MB, ${walBytes} bytes at the end`,
      `heap ${bytesPerRequest.toFixed(3)} ± ${standardError.toFixed(3)} bytes a request over the last 80 %; that of the thread ${threadSlope.bytesPerRequest.toFixed(3)} ± ${threadSlope.standardError.toFixed(3)}; process ${early} to ${late} MB`,
    ].join('; ')
  },
  collected: ({ followed, left }) =>
    `of ${sum(followed)} objects that were followed ${sum(left)} are left, beside the dead letters that are to be kept`,
}

function mb(bytes = 0): string {
  return (bytes / 1e6).toFixed(1)
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function readArgs(): { requests: number; isOfStore: boolean; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: {
        ...{ requests: { type: 'string' }, store: { type: 'boolean', default: false } },
        ...{ json: { type: 'string' }, help: { type: 'boolean' } },
      },
    })
    if (values.help) {
      console.log(usage)
      process.exit()
    }
    const requests = Number(values.requests ?? DEFAULT_REQUESTS)
    if (!(Number.isInteger(requests) && requests >= MIN_REQUESTS)) {
      throw new Error(`--requests must be an integer of at least ${MIN_REQUESTS}, but is '${values.requests}'`)
    }
    return { requests, isOfStore: values.store, json: values.json }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(2)
  }
}

const { requests, isOfStore, json } = readArgs()
const reports: Partial<Reports> = {}
const failures: string[] = []

async function run<P extends Part>(part: P, count: number): Promise<void> {
  const startedAt = performance.now()
  const seconds = (): string => `${Math.round((performance.now() - startedAt) / 1_000)} s`
  let shownAt = startedAt
  try {
    const report = await runPart(part, count, {
      progress(done) {
        if (performance.now() - shownAt < PROGRESS_MS) return
        shownAt = performance.now()
        console.log(`  ${part}: ${done} of ${count}, ${seconds()}`)
      },
    })
    reports[part] = report
    console.log(`${part}: ${report.requests} requests, ${seconds()}. ${lines[part](report)}`)
    failures.push(...complaints[part](report).map((each) => `${part}: ${each}`))
  } catch (error) {
    failures.push((error as Error).message)
  }
}

console.log(`Node ${process.version}, ${cpus()[0]?.model} × ${cpus().length}, ${new Date().toISOString()}`)
if (isOfStore) await run('store', requests)
else {
  await run('mixed', requests)
  await run('narrow', requests)
  await run('collected', COLLECTED)
}
if (json !== undefined) {
  const about = { date: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cpus: cpus().length }
  writeFileSync(json, `${JSON.stringify({ ...about, failures, ...reports }, null, 2)}\n`)
}
for (const failure of failures) console.error(`FAILED: ${failure}`)
console.log(failures.length === 0 ? 'Nothing grows, and nothing is left.' : `${failures.length} failures`)
process.exitCode = failures.length === 0 ? 0 : 1

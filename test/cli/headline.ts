/**
 * The headline of an earlier system, from the shell: 4 times 1,000 slots, requests of 3.5 s each, in a store, and a load of as many a
 * second as that system did: 1,143. `npm run headline:cli`, after `npm run build`; `-- --rate 800 --for 60s` for another load, `-- --one` for
 * one queue of 4,000 slots.
 *
 * It says how many slots were in use, what was done a second, and whether anything was lost: each request that was sent has ended once, here and
 * in the service.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '../..')
const program = join(root, 'dist/cli/main.js')
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1143' },
    for: { type: 'string', default: '20s' },
    one: { type: 'boolean', default: false },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'triage-headline-'))
const token = 'a-token-for-the-headline'
const env = { ...process.env, TRIAGE_CLI_TOKEN: token, NO_COLOR: '1' }

const work = join(folder, 'work.mjs')
writeFileSync(
  work,
  `export default async (request) => { await new Promise((resolve) => setTimeout(resolve, 3_500)); return request }\n`,
)
const slots = values.one ? ['--workers', '4000'] : ['--shards', '4', '--workers', '1000']
const db = join(folder, 'requests.db')
const service = spawn(
  process.execPath,
  [program, 'serve', work, '--port', '0', '--max-queue-size', '0', '--db', db, '--json', ...slots],
  {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)

try {
  const { url } = JSON.parse(await firstLine(service.stdout)) as { url: string }
  const busy: number[] = []
  const looks = setInterval(async () => {
    const status = await statusOf(url).catch(() => undefined)
    if (status !== undefined) busy.push(status.activeWorkers)
  }, 1_000)
  const args = ['load', url, '--rate', values.rate, '--for', values.for, '--max-lag', '10m', '--json']
  const load = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const report = JSON.parse(await firstLine(load.stdout)) as Report
  clearInterval(looks)
  const { totals, waiting, running } = await statusOf(url)
  const { all, asked, askedPerSecond, sentPerSecond, donePerSecond, codes, lag } = report
  const most = busy.reduce((sum, each) => Math.max(sum, each), 0)
  console.log(`serve ${slots.join(' ')} --db, load --rate ${values.rate} --for ${values.for}`)
  console.log(
    `asked ${asked}, sent ${all.sent}, done ${all.done}, refused ${all.refused}, failed ${all.failed} ${JSON.stringify(codes)}`,
  )
  console.log(
    `in the service: admitted ${totals.admitted}, completed ${totals.completed}, waiting ${waiting}, running ${running}`,
  )
  console.log(`slots in use, second by second: ${busy.join(' ')} (most: ${most} of 4,000)`)
  console.log(
    `a second: asked ${round(askedPerSecond)}, sent ${round(sentPerSecond)}, done ${round(donePerSecond)}; the earlier system did 1,143`,
  )
  console.log(
    `latency p50 ${round(all.latency.p50Ms)} ms, p99 ${round(all.latency.p99Ms)} ms; the generator was late by ${round(lag.p99Ms)} ms (p99)`,
  )
  const isWhole =
    all.sent === asked &&
    all.done + all.refused + all.failed === all.sent &&
    totals.completed === all.done &&
    waiting + running === 0
  console.log(isWhole ? 'ok: nothing was lost' : 'FAILED: the books do not agree')
  if (!isWhole) process.exitCode = 1
} finally {
  const ended = new Promise((resolve) => service.on('close', resolve))
  service.kill('SIGTERM')
  console.log(`serve has ended with ${await ended}`)
  rmSync(folder, { recursive: true, force: true })
}

interface Report {
  readonly asked: number
  readonly askedPerSecond: number
  readonly sentPerSecond: number
  readonly donePerSecond: number
  readonly codes: object
  readonly lag: { readonly p99Ms: number }
  readonly all: {
    readonly sent: number
    readonly done: number
    readonly refused: number
    readonly failed: number
    readonly latency: { readonly p50Ms: number; readonly p99Ms: number }
  }
}

interface Status {
  readonly activeWorkers: number
  readonly waiting: number
  readonly running: number
  readonly totals: { readonly admitted: number; readonly completed: number }
}

async function statusOf(url: string): Promise<Status> {
  const response = await fetch(`${url}/v1/queues`, { headers: { authorization: `Bearer ${token}` } })
  return ((await response.json()) as { queues: Status[] }).queues[0] as Status
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let told = ''
  for await (const chunk of stream) {
    told += chunk
    if (told.includes('\n')) break
  }
  return told.split('\n', 1)[0] as string
}

function round(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/**
 * What a service bears: `npm run load:http`, or `-- refusals`, `-- sums`, `-- million`. The service is a process of its own. Ends with 1
 * when it does not hold what it promises.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { tokenOf } from '../support/principals.ts'

interface Report {
  readonly maxStallMs: number
  readonly p99StallMs: number
  readonly totals: { readonly admitted: number; readonly rejected: number; readonly completed: number }
}

const head = `Host: localhost\r\nAuthorization: Bearer ${tokenOf('sam')}\r\n`
const post = (more = '') =>
  `POST /process HTTP/1.1\r\n${head}Content-Type: application/json\r\n${more}Content-Length: 2\r\n\r\n{}`
let failed = false

const parts = { refusals, sums, million }
const asked = process.argv.slice(2).filter((name) => name in parts) as (keyof typeof parts)[]
for (const name of asked.length > 0 ? asked : (Object.keys(parts) as (keyof typeof parts)[])) await parts[name]()
process.exitCode = failed ? 1 : 0

/** A full queue says no, as fast as it is asked, on 64 connections. */
async function refusals(): Promise<void> {
  const { port, stop } = await start('full')
  const rates: number[] = []
  let areAll = true
  for (let round = 0; round < 12; round++) {
    const began = performance.now()
    const statuses = (
      await Promise.all(Array.from({ length: 64 }, () => asks(port, post('Prefer: wait=5\r\n'), 500)))
    ).flat()
    rates.push(statuses.length / ((performance.now() - began) / 1_000))
    areAll &&= statuses.every((status) => status === '503 retry-after')
  }
  await stop()
  judge(areAll, 'each refusal is a 503 with Retry-After')
  const best = Math.max(...rates)
  judge(
    best >= 10_000,
    `refusals a second, the best of ${rates.length} rounds: ${Math.round(best)} (${rates.map(Math.round).join(', ')})`,
  )
}

/** 4,000 connections at once, each with a submit that waits, for a queue of 200 with 16 slots. */
async function sums(): Promise<void> {
  const { port, report, stop } = await start('works')
  const statuses = (
    await Promise.all(Array.from({ length: 4_000 }, () => asks(port, post('Prefer: wait=30\r\n'), 3)))
  ).flat()
  const counts: Record<string, number> = {}
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1
  const { totals } = await report()
  await stop()
  console.log(`  ${JSON.stringify(counts)} of ${statuses.length}; ${JSON.stringify(totals)}`)
  const only = Object.keys(counts).every((status) => ['200', '202', '503 retry-after'].includes(status))
  judge(only, '12,000 waiting submits on 4,000 connections: only 200, 202, and 503 with Retry-After')
  const done = (counts['200'] ?? 0) + (counts['202'] ?? 0)
  judge(totals.admitted === done && totals.rejected === counts['503 retry-after'], 'the sums are exact')
}

/** A million wait: a page, a status, a scrape. */
async function million(): Promise<void> {
  const count = Number(process.argv.slice(2).find((arg) => /^\d+$/.test(arg)) ?? 1_000_000)
  const { port, reset, report, stop } = await start('million', `${count}`)
  const paths = [
    '/v1/queues/llm/requests?limit=200',
    '/v1/queues/llm/requests?state=waiting&priority=low&limit=200',
    `/v1/queues/llm/requests/sam~${count >> 1}`,
    '/v1/queues/llm',
    '/metrics',
    '/v1/queues/llm/stats',
  ]
  for (const path of paths) await asks(port, `GET ${path} HTTP/1.1\r\n${head}\r\n`, 20)
  await reset()
  for (const path of paths) {
    const took: number[] = []
    for (let n = 0; n < 50; n++) {
      const began = performance.now()
      await asks(port, `GET ${path} HTTP/1.1\r\n${head}\r\n`, 1)
      took.push(performance.now() - began)
    }
    took.sort((a, b) => a - b)
    judge(
      (took[25] as number) < 20,
      `${count} wait: ${path} takes ${(took[25] as number).toFixed(1)} ms (median), ${(took[49] as number).toFixed(1)} at most`,
    )
  }
  const { maxStallMs, p99StallMs } = await report()
  await stop()
  judge(
    maxStallMs < 21,
    `the longest stall of the event loop meanwhile: ${maxStallMs.toFixed(1)} ms (99 %: ${p99StallMs.toFixed(1)})`,
  )
}

function judge(isSo: boolean, what: string): void {
  console.log(`${isSo ? 'ok' : 'FAILED'}: ${what}`)
  failed ||= !isSo
}

async function start(kind: string, count = '0') {
  const execArgv = ['--import', './test/support/from-source.ts', '--expose-gc', '--max-old-space-size=6000']
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), [kind, count], { execArgv })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const tell = async (what: string): Promise<unknown> => {
    child.send(what)
    return (await once(child, 'message'))[0]
  }
  return {
    port,
    reset: () => tell('reset'),
    report: () => tell('report') as Promise<Report>,
    stop: async () => {
      child.send('stop')
      await once(child, 'exit')
    },
  }
}

/** The same request so many times on one connection, one after the other. The statuses; whether there was a Retry-After. */
function asks(port: number, request: string, times: number): Promise<string[]> {
  return new Promise((resolve) => {
    const statuses: string[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let buffer = Buffer.alloc(0)
    const next = (): void => {
      for (;;) {
        const end = buffer.indexOf('\r\n\r\n')
        if (end < 0) return
        const text = buffer.toString('latin1', 0, end).toLowerCase()
        const total = end + 4 + Number(/content-length: (\d+)/.exec(text)?.[1] ?? 0)
        if (buffer.length < total) return
        buffer = buffer.subarray(total)
        statuses.push(text.slice(9, 12) + (text.includes('retry-after') ? ' retry-after' : ''))
        if (statuses.length === times) socket.end()
        else socket.write(request)
      }
    }
    socket.on('data', (chunk) => {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
      next()
    })
    socket.on('error', () => statuses.push('error'))
    socket.on('close', () => resolve(statuses))
  })
}

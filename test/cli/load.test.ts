/** `triage-queue load`: an open loop, measured from the intended start; gates; a generator that falls behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { scheduleOf, scheduleOfTrace } from '../../src/cli/load/schedule.ts'
import { readTrace } from '../../src/cli/load/trace.ts'
import { tableLines } from '../../src/cli/table.ts'
import { freePort } from '../support/free-port.ts'
import { faultOf, fixtures, root, run, scratch, serve } from './support/cli.ts'

const hash = join(root, 'examples/cli/hash.mjs')
const even = new Map([['normal', 1]] as const)

test('when each request starts is settled before the run: in equal steps, or as a Poisson process', () => {
  const steps = scheduleOf({ ratePerSecond: 300, isPoisson: false, lengthMs: 10_000, mix: even, seed: 1 })
  expect(steps.count).toBe(3_000)
  expect([...steps.at].every((at, i) => at === i * (1_000 / 300))).toBe(true)
  const question = {
    ratePerSecond: 1_000,
    isPoisson: true,
    lengthMs: 100_000,
    mix: new Map([
      ['urgent', 1],
      ['low', 3],
    ] as const),
    seed: 7,
  }
  const poisson = scheduleOf(question)
  const gaps = [...poisson.at].map((at, i) => at - (poisson.at[i - 1] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
  expect(Math.abs(mean - 1)).toBeLessThan(0.02)
  expect(Math.abs(Math.sqrt(variance) / mean - 1)).toBeLessThan(0.02)
  expect(Math.abs(poisson.tier.filter((tier) => tier === 0).length / poisson.count - 0.25)).toBeLessThan(0.01)
  expect(scheduleOf(question).at).toEqual(poisson.at)
  expect(scheduleOf({ ...question, seed: 8 }).at).not.toEqual(poisson.at)
})

test('a trace is replayed from its first request on: lines, or a table', () => {
  const folder = scratch()
  const [lines, table] = [join(folder, 'trace.ndjson'), join(folder, 'trace.csv')]
  writeFileSync(
    lines,
    '{"v":1,"startedAt":0}\n{"t":500,"tier":"urgent"}\n{"gap":3}\n{"t":100,"tier":"low"}\n{"t":900}\n',
  )
  const schedule = scheduleOfTrace(readTrace(lines), even, 1)
  expect([[...schedule.at], [...schedule.tier]]).toEqual([
    [0, 400, 800],
    [3, 0, 2],
  ])
  writeFileSync(
    table,
    'TIMESTAMP,ContextTokens,tier\n2023-11-16 18:15:46.6805900,374,low\n2023-11-16 18:15:47.6805900,10,urgent\n',
  )
  const rows = scheduleOfTrace(readTrace(table), even, 1)
  expect([[...rows.at], [...rows.tier]]).toEqual([
    [0, 1_000],
    [3, 0],
  ])
  writeFileSync(lines, '{"v":2}\n')
  expect(() => readTrace(lines)).toThrow('is a trace of version 2')
})

test('a server that stands still: the p99 shows it, as the log of the server itself does', async () => {
  const server = spawn(process.execPath, [join(fixtures, 'stands-still.mjs')])
  onTestFinished(() => void server.kill('SIGKILL'))
  let told = ''
  const port = await new Promise<string>((resolve) => {
    server.stdout.on('data', (chunk) => {
      told += chunk
      const [, found] = /listening (\d+)/.exec(told) ?? []
      if (found !== undefined) resolve(found)
    })
  })
  const out = join(scratch(), 'out')
  const args = [
    'load',
    `http://127.0.0.1:${port}/work`,
    '--rate',
    '200',
    '--for',
    '2s',
    '--max-lag',
    '1s',
    '--out',
    out,
    '--json',
  ]
  const { code, out: printed } = await run(args)
  expect(code).toBe(0)
  const { all, asked } = JSON.parse(printed)
  expect([asked, all.sent, all.done]).toEqual([400, 400, 400])
  const requests = readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  // Nothing that the server did has moved the intended starts.
  const first = requests[0].intendedAt
  for (const { n, intendedAt } of requests) expect(Math.abs(intendedAt - first - n * 5)).toBeLessThan(0.01)
  const answered = new Map(
    told
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
      .map(({ n, at }) => [n, at]),
  )
  expect(answered.size).toBe(400)
  const byServer = requests.map(({ n, intendedAt }) => (answered.get(n) as number) - intendedAt).sort((a, b) => a - b)
  const p99 = byServer[Math.ceil(0.99 * 400) - 1] as number
  expect(all.latency.p99Ms).toBeGreaterThan(600)
  // The way back is all that the server does not know.
  expect(all.latency.p99Ms).toBeGreaterThanOrEqual(p99 - 1)
  expect(all.latency.p99Ms - p99).toBeLessThan(400)
})

test('a generator that can not keep up fails the run', async () => {
  const { submitUrl, token } = await serve(hash)
  const { code, err } = await run(
    ['load', new URL(submitUrl).origin, '--rate', '40000', '--for', '100ms', '--max-lag', '5ms'],
    { env: { TRIAGE_CLI_TOKEN: token } },
  )
  expect(err).toMatch(/^triage-queue: The generator fell behind: it was late by .* another machine\n$/)
  expect(code).toBe(1)
})

test('gates: one that holds, one that does not, and one without samples; waits are those of the service', async () => {
  const { url, token } = await serve(hash, ['--workers', '2'])
  const args = ['load', url, '--poisson', '--rate', '100', '--for', '1s', '--mix', 'urgent=1,low=1', '--max-lag', '10s']
  const env = { TRIAGE_CLI_TOKEN: token }
  const good = await run(
    [...args, '--json', '--gate', 'urgent.wait.p99 < 10s', '--gate', 'refused<1%', '--gate', 'rate > 1'],
    { env },
  )
  const { gates, all, byPriority, codes, v } = JSON.parse(good.out)
  expect(good.code).toBe(0)
  expect([v, codes]).toEqual([1, {}])
  expect(gates.map(({ holds }: { holds: boolean }) => holds)).toEqual([true, true, true])
  expect(Object.keys(byPriority)).toEqual(['urgent', 'low'])
  expect([all.wait.count, all.done]).toEqual([all.sent, all.sent])
  const broken = await run([...args, '--gate', 'latency.p50 < 0.001ms'], { env })
  expect(broken.code).toBe(99)
  expect(broken.out).toMatch(/gate latency\.p50 < 0\.001ms: BROKEN, it is .* ms/)
  const none = await run([...args, '--markdown', '--gate', 'high.latency.p99 < 10s'], { env })
  expect(none.code).toBe(99)
  expect(none.out).toContain('- gate high.latency.p99 < 10s: BROKEN, there are no samples')
  expect(none.out).toMatch(/^\| urgent \| \d+ \| \d+ \| 0 \| 0 \| /m)
})

test('what is refused is told by code', async () => {
  const module = join(scratch(), 'slow.mjs')
  writeFileSync(module, 'export default async () => { await new Promise((resolve) => setTimeout(resolve, 1_000)) }')
  const { url, token } = await serve(module, ['--workers', '1', '--max-queue-size', '1', '--when-full', 'reject'])
  const args = ['load', url, '--rate', '100', '--for', '300ms', '--json', '--max-lag', '10s']
  const { code, out } = await run([...args, '--gate', 'refused < 50%'], { env: { TRIAGE_CLI_TOKEN: token } })
  const { all, codes } = JSON.parse(out)
  expect(code).toBe(99)
  expect(all.done + all.refused).toBe(30)
  expect(codes).toEqual({ TRIAGE_QUEUE_FULL: all.refused })
})

test('a narrow terminal has fewer columns, and p99 among them', () => {
  const rows = [
    ['latency', 'sent', 'done', 'p50', 'p99'],
    ['urgent', '1,000', '1,000', '12 ms', '100 ms'],
  ]
  expect(tableLines(rows, 80, [3, 1])).toEqual([
    'latency   sent   done    p50     p99',
    'urgent   1,000  1,000  12 ms  100 ms',
  ])
  expect(tableLines(rows, 30, [3, 1])).toEqual(['latency   sent   done     p99', 'urgent   1,000  1,000  100 ms'])
})

test('a service of another kind is told how it is given', async () => {
  const server = createServer((_request, response) => void response.writeHead(404).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await faultOf(['load', url])).toEqual({
    code: 3,
    says: `${url} is no service of triage-queue: HTTP 404; any other one is given with its path: ${url}/path`,
  })
})

test('what is wrong is said in one line', async () => {
  const { url } = await serve(hash)
  const nobody = `http://127.0.0.1:${await freePort()}`
  const cases: [args: string[], code: number, says: string][] = [
    [[nobody], 3, `${nobody} can't be reached: nobody listens there`],
    [[`${nobody}/path`], 3, "can't be reached"],
    [[url], 3, 'takes requests only with a token: TRIAGE_CLI_TOKEN or --token-file'],
    [[url, '--queue', 'other'], 3, 'has no queue other: it has hash'],
    [[url, '--gate', 'fast'], 2, '--gate: expected'],
    [[url, '--rate', '0'], 2, '--rate: expected a number greater than 0'],
    [[url, '--rate', '1e9'], 2, 'That is more than 10000000 requests'],
    [[url, '--trace', 'gone.csv'], 3, 'There is no file gone.csv (--trace)'],
    [[url, '--trace', 'gone.csv', '--rate', '3'], 2, '--trace says itself when requests come'],
    [[url, '--data', '{n'], 2, '--data: expected JSON'],
  ]
  for (const [args, code, says] of cases) {
    const fault = await faultOf(['load', ...args])
    expect(fault.says).toContain(says)
    expect(fault.says).not.toContain('\n')
    expect(fault.code, says).toBe(code)
  }
  // The same from outside.
  const [[args, code, says]] = cases as [(typeof cases)[0]]
  const ended = await run(['load', ...args])
  expect(ended).toMatchObject({ code, out: '', err: expect.stringMatching(/^triage-queue: [^\n]+\n$/) })
  expect(ended.err).toContain(says)
  const wrong = await run(['load', url], { env: { TRIAGE_CLI_TOKEN: 'another-token-0123456789' } })
  expect(wrong).toMatchObject({ code: 3, err: `triage-queue: ${url} does not know this token\n` })
})

/** What happens when something is away, cut, killed or stopped: samples; `npm run prove:redis` does more of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { watch } from '../failures/support.ts'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, workerFor } from './support/pair.ts'
import { cutAndTrim, killRedis } from './support/runs.ts'
import { tiersOf } from './support/tiers.ts'

const redis = await startRedis()
afterAll(() => redis.close())
const url = redis.url
const until = (isSo: () => unknown) => expect.poll(isSo, { timeout: 20_000, interval: 5 })

test('Redis is killed and started again: what was acknowledged completes, and only what ran then may run twice', async () => {
  const { broken, acknowledged, runs } = await killRedis(1, 6)
  expect(broken).toEqual([])
  // How many depends on the machine.
  expect(acknowledged).toBeGreaterThan(10)
  expect(runs).toBeGreaterThanOrEqual(acknowledged)
})

test('connections are cut and events are lost: every caller has its answer', async () => {
  const { broken, acknowledged } = await cutAndTrim(2, 30)
  expect(broken).toEqual([])
  // How many depends on the machine.
  expect(acknowledged).toBeGreaterThan(10)
})

/** By a timer of the same process: however late a busy machine lets it run, what is promised sooner comes before. */
function within(ms: number, promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise, sleep(ms, `not within ${ms} ms`, { ref: false })])
}

describe('Redis is away', () => {
  test('at the start: requests are refused quickly, and all works as soon as it is there, without a restart', async () => {
    const late = await startRedis([], false)
    onTestFinished(() => late.close())
    const name = freshName()
    const executor = executorFor(name, late.url)
    workerFor(name, late.url, async (request: string) => `${request}!`)
    for (let i = 0; i < 2; i++) {
      await expect(within(1_600, executor.execute('a'))).rejects.toMatchObject({
        ...{ code: 'TRIAGE_STORE_UNAVAILABLE', statusCode: 503, started: false },
      })
    }
    await expect(executor.getStatus()).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
    await late.start()
    await until(() => executor.execute('b').catch(() => 'not yet')).toBe('b!')
  })

  test('while an answer is waited for: its caller waits on, to its own deadline', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const name = freshName()
    const executor = executorFor(name, own.url)
    const patient = await executor.submit('patient', { id: 'patient' })
    const hasty = watch((await executor.submit('hasty', { timeoutMs: 400 })).result)
    await own.kill()
    await hasty.done
    expect(hasty.error).toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE', started: 'unknown' })
    await own.start()
    workerFor(name, own.url, async (request: string) => `${request}!`)
    expect(await patient.result).toBe('patient!')
  })

  test('to whom a connection is stopped, not cut: refused within the time as well', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const executor = executorFor(freshName(), own.url, { failFastMs: 500 })
    await executor.ready()
    process.kill(own.pid, 'SIGSTOP')
    await expect(within(600, executor.submit('a'))).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
    process.kill(own.pid, 'SIGCONT')
    await until(() =>
      executor.submit('b').then(
        () => 'admitted',
        () => 'not yet',
      ),
    ).toBe('admitted')
  })
})

/** A worker in a process of its own, and what it says, line by line. */
function workerProcess(name: string, ...more: string[]): { child: ChildProcess; said: string[] } {
  const file = new URL('fixtures/worker.ts', import.meta.url).pathname
  const loader = ['--import', new URL('../support/from-source.ts', import.meta.url).pathname]
  const child = spawn(process.execPath, [...loader, file, name, url, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(...text.split('\n').filter(Boolean)))
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  return { child, said }
}

describe('a worker', () => {
  test('that is stopped for longer than its lock: its run is aborted, and its late answer refused', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { child, said } = workerProcess(name, '500', '1500')
    const handle = await executor.submit('a', { id: 'a' })
    await until(() => said).toContain('started a 1')
    process.kill(child.pid as number, 'SIGSTOP')
    workerFor(name, url, async (_, run) => `by another, attempt ${run.attempt}`, { lockMs: 500, stalledMs: 100 })
    expect(await handle.result).toBe('by another, attempt 2')
    process.kill(child.pid as number, 'SIGCONT')
    await until(() => said).toContain('aborted a TRIAGE_LOCK_LOST')
    await until(() => said).toContain('answered a')
    await sleep(200)
    expect(await executor.find('a')).toMatchObject({ state: 'completed', result: 'by another, attempt 2' })
  })

  test('that is killed: what it ran runs on another one', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { child, said } = workerProcess(name, '500', '60000')
    const handle = await executor.submit('a', { id: 'a' })
    await until(() => said).toContain('started a 1')
    child.kill('SIGKILL')
    workerFor(name, url, async () => 'by another', { lockMs: 500, stalledMs: 100 })
    expect(await handle.result).toBe('by another')
  })
})

test('two producers, two workers, four tiers: nothing low starts while something urgent has waited for more than a moment', async () => {
  const { overtaken, starts, waitMs } = await tiersOf(url, 3, 800)
  expect(overtaken).toEqual([])
  expect(starts).toBe(800)
  // There was something to choose from.
  expect(waitMs.low).toBeGreaterThan(3 * (waitMs.urgent as number))
})

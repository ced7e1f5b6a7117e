/**
 * Does the demo run as a user runs it: from the command line, with real processes?
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../examples/demo/main.ts', import.meta.url))
const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens'
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-run-'))
})
afterAll(() => rm(folder, { recursive: true }))

function start(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder })
  const run = { child, stdout: '', stderr: '' }
  child.stdout.on('data', (data) => {
    run.stdout += data
  })
  child.stderr.on('data', (data) => {
    run.stderr += data
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return { run, ended }
}

async function finished(...args: string[]) {
  const { run, ended } = start(...args)
  const code = await ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}

describe.concurrent('the demo', { timeout: 30_000 }, () => {
  test('shows every tier, both ways, and totals that add up', async () => {
    const { code, stdout, stderr } = await finished('--seconds', '1')
    expect(stderr).toBe('')
    expect(code).toBe(0)
    for (const tier of ['URGENT', 'HIGH', 'NORMAL', 'LOW']) {
      expect(stdout).toMatch(new RegExp(`^${tier}, wanted within .* directly +queued$`, 'm'))
    }
    expect(stdout).toMatch(/^directly +\d+ s {2}\d+ sent, /m)
    expect(stdout).toMatch(/^demo closed: 0 waiting; .* completed.*\nqueued +\d+ s {2}\d+ sent, /m)
    expect(stdout).toMatch(/^(With the queue|No verdict)/m)
    const lines = stdout.match(/admitted .* = completed .*/g) ?? []
    expect(lines).toHaveLength(5)
    for (const line of lines) {
      const [admitted, ...ended] = line.match(/[\d,]+/g)?.map((digits) => Number(digits.replaceAll(',', ''))) ?? []
      expect(ended.reduce((sum, number) => sum + number, 0)).toBe(admitted)
    }
  })

  test('replays traces, one tier for each, and tells it as JSON', async () => {
    const rows = Array.from({ length: 40 }, (_, index) => `2023-11-16 18:17:${10 + index}.5,${100 * index},5\r\n`)
    await writeFile(join(folder, 'a.csv'), `${HEADER}\r\n${rows.join('')}`)
    await writeFile(join(folder, 'b.csv'), `${HEADER}\r\n${rows.join('')}`)
    const { code, stdout, stderr } = await finished('a.csv', 'b.csv', '--speed', '60', '--limit', '70', '--json')
    expect(code).toBe(0)
    expect(stderr).toContain('a.csv (40) as HIGH, b.csv (40) as NORMAL, 60 times as fast')
    const results = JSON.parse(stdout)
    expect(results.discrepancies).toEqual([])
    for (const { tiers } of [results.directly, results.queued]) {
      expect(tiers).toMatchObject({ high: { sent: 35 }, normal: { sent: 35 } })
    }
  })

  test('ends the service with it, and says so with 130, when it is interrupted', async () => {
    const { run, ended } = start('--seconds', '60')
    const url = await urlOf(run)
    run.child.kill('SIGINT')
    expect(await ended).toBe(130)
    await untilGone(url)
  })

  test('ends the service with it even when it is killed', async () => {
    const { run } = start('--seconds', '60')
    const url = await urlOf(run)
    run.child.kill('SIGKILL')
    await untilGone(url)
  })

  test('with --db does what a killed run has left', async () => {
    // Ten times the capacity: some wait, however busy the machine was when that was measured.
    const { run, ended } = start('--seconds', '3', '--load', '10', '--db', 'demo.db')
    await expect.poll(() => run.stdout, { timeout: 25_000, interval: 10 }).toMatch(/^demo .*[1-9]\d* waiting/m)
    expect(run.stdout).toContain('store     demo.db: nothing is left of a run before')
    run.child.kill('SIGKILL')
    await ended
    const { code, stdout, stderr } = await finished('--seconds', '0.3', '--db', 'demo.db')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^store {5}demo\.db: [1-9]\d* of a run before are done now$/m)
  })

  test.each([
    ['an unknown flag', ['--sped', '3'], "Unknown option '--sped'"],
    ['a flag without its value', ['--seconds'], '--seconds'],
    ['a value that is none', ['--load', 'much'], "--load must be a number from 0.01 to 50, but is 'much'"],
    ['a fraction of a seed', ['--seed', '1.5'], "--seed must be an integer, but is '1.5'"],
    ['a mix of three', ['--mix', '1,2,3'], '--mix must be four numbers'],
    ['a speed for nothing', ['--speed', '3'], '--speed needs a file to replay'],
    ['too many files', ['a', 'b', 'c', 'd', 'e'], 'at most four files'],
    ['a missing file', ['missing.csv'], 'missing.csv: no such file'],
  ])('refuses %s with one clear line and exit code 2', async (_name, args, message) => {
    const { code, stdout, stderr } = await finished(...args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(`demo: `)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
  })

  test('refuses a bad line by file and line, before anything is started', async () => {
    await writeFile(join(folder, 'bad.csv'), `${HEADER}\n2023-11-16 18:17:03,1,1\n2023-11-16 18:17:04,one,1\n`)
    const { code, stdout, stderr } = await finished('bad.csv')
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain("demo: bad.csv:3: ContextTokens must be a whole number of at least 0, but is 'one'")
  })

  test('explains itself', async () => {
    const { code, stdout } = await finished('--help')
    expect(code).toBe(0)
    expect(stdout).toContain('--speed N')
  })
})

/** Where the service listens; the demo has started it by then. */
async function urlOf(run: { stdout: string }): Promise<string> {
  for (;;) {
    const url = /http:\/\/\S+:\d+/.exec(run.stdout)?.[0]
    if (url !== undefined) return url
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function untilGone(url: string): Promise<void> {
  for (;;) {
    try {
      await (await fetch(`${url}/health`)).text()
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

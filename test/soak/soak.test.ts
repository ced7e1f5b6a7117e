/**
 * A million requests of every sort, and a million through little memory: nothing grows, and nothing of them is left.
 * `npm run soak` does the same with more.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { CAPACITY, complaints } from './support/report.ts'
import { runPart } from './support/run-part.ts'
import { slopeOf } from './support/steady.ts'

const MILLION = 1_000_000

// It has much to do, on a machine that may have other things to do.
vi.setConfig({ testTimeout: 600_000 })

test.concurrent('a million mixed requests leave the heap flat, and no timer, handle or listener', async () => {
  const report = await runPart('mixed', MILLION)
  expect(complaints.mixed(report)).toEqual([])
  expect(report.requests).toBeGreaterThanOrEqual(MILLION)
  expect(report.points).toHaveLength(50)
})

test.concurrent('a million requests pass a capacity of 1,000 in 64 MB', async () => {
  const report = await runPart('narrow', MILLION)
  expect(complaints.narrow(report)).toEqual([])
  expect(report).toMatchObject({ requests: MILLION, maxWaiting: CAPACITY })
})

test.concurrent('nothing of a request is kept that has ended, in whatever way', async () => {
  const report = await runPart('collected', 10_000)
  expect(complaints.collected(report)).toEqual([])
  expect(report.requests).toBeGreaterThanOrEqual(10_000)
})

test.concurrent('40,000 records leave a store in a file as large as what it keeps', async () => {
  const report = await runPart('store', 40_000)
  expect(complaints.store(report)).toEqual([])
  expect(report).toMatchObject({ requests: 40_000, live: 0, kept: 1_000, dead: 100, walBytes: 0 })
})

describe('a leak is seen', () => {
  test('of one small object for each request: in the slope', async () => {
    const report = await runPart('mixed', 50_000, { leaks: true })
    // After so few requests V8 still adds some bytes for each; the object and its place in an array are 40.
    expect(report.heapSlope.bytesPerRequest).toBeGreaterThan(30)
    expect(complaints.mixed(report)).toContainEqual(expect.stringMatching(/^the heap grows by/))
  })

  test('of one small object for each record of a store: in the slope', async () => {
    const report = await runPart('store', 20_000, { leaks: true })
    expect(complaints.store(report)).toContainEqual(expect.stringMatching(/^the heap grows by/))
  })

  test('of all payloads: by the end of the process', async () => {
    await expect(runPart('narrow', MILLION, { leaks: true })).rejects.toThrow(/heap out of memory/)
  })

  test('of answers: in what is not collected', async () => {
    const { left } = await runPart('collected', 1_000, { leaks: true })
    expect(Object.keys(left)).toEqual(expect.arrayContaining(['answer of a request that was answered']))
  })
})

test('the slope is that of the last 80 %, with its standard error', () => {
  const points = Array.from({ length: 50 }, (_, i) => ({
    requests: i * 1_000,
    // Before, it grows; then by half a byte a request, with some noise.
    heapBytes: i < 10 ? i * 1e6 : 1e7 + i * 500 + (i % 2) * 100,
    codeBytes: 0,
  }))
  const { bytesPerRequest, standardError } = slopeOf(points, ({ heapBytes }) => heapBytes)
  expect(bytesPerRequest).toBeCloseTo(0.5, 2)
  expect(standardError).toBeGreaterThan(0)
  expect(standardError).toBeLessThan(0.001)
})

describe('the command', () => {
  const soak = (...args: string[]) =>
    spawnSync(process.execPath, [fileURLToPath(new URL('./soak.ts', import.meta.url)), ...args], { encoding: 'utf8' })

  test('says what it can do', () => {
    expect(soak('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--requests n') })
  })

  test.each(['--request', '--requests many', '--requests 10'])('refuses %s', (line) => {
    const { status, stdout, stderr } = soak(...line.split(' '))
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/--request/)
    expect(stderr).toContain('--json file')
  })
})

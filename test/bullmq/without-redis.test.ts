/**
 * What holds without a Redis: ids, errors and envelopes as text, options, and what is said when something is missing.
 */
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { CancelledError, OptionsError, QueuedExecutor, RunTimeoutError } from 'triage-queue'
import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { describe, expect, test, vi } from 'vitest'
import { readEnvelope } from '../../src/bullmq/envelope.ts'
import { errorOf, storedErrorOf, textOf } from '../../src/bullmq/error-text.ts'
import { idOf, jobIdOf } from '../../src/bullmq/ids.ts'

// Hundreds of drawn values, and modules that are loaded by a process of their own.
vi.setConfig({ testTimeout: 60_000 })

const root = join(import.meta.dirname, '../..')
const connection = 'redis://127.0.0.1:1'

test('BullMQ is never asked to wait until a job has finished', () => {
  const files = globSync('{src,examples}/**/*.ts', { cwd: root, exclude: ['**/node_modules'] })
  expect(files.some((file) => file.includes('bullmq'))).toBe(true)
  expect(files.filter((file) => readFileSync(join(root, file), 'utf8').includes('waitUntilFinished'))).toEqual([])
})

test('nothing of BullMQ is loaded before an executor or a worker is made', () => {
  const program = `import 'triage-queue/bullmq'
    const loaded = Object.keys(process.getBuiltinModule('node:module').createRequire(import.meta.url).cache)
    if (loaded.some((path) => /bullmq|ioredis/.test(path))) throw new Error(loaded.join())`
  execFileSync(process.execPath, ['--import', './test/support/from-source.ts', '--input-type=module', '-e', program], {
    cwd: root,
  })
})

describe('an id', () => {
  test('comes back, whatever is in it, and is one that BullMQ takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (id) => {
        const jobId = jobIdOf(id)
        expect(idOf(jobId)).toBe(id)
        expect(jobId).toMatch(/^~[A-Za-z0-9_.%-]*$/)
      }),
    )
    for (const id of ['7', 'a:b', '0:x', '%0041', '\ud800', '__proto__']) expect(idOf(jobIdOf(id))).toBe(id)
    expect([jobIdOf('7'), idOf('17')]).toEqual(['~7', undefined])
  })

  test('two of them are never one', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => (a === b) === (jobIdOf(a) === jobIdOf(b))))
  })
})

describe('an error', () => {
  const across = (error: unknown): unknown => errorOf(textOf(error), { queue: 'q', requestId: 'id', priority: 'low' })

  test('keeps name, message, code, own properties and causes', () => {
    class MyError extends Error {
      override name = 'MyError'
      code = 'E_MINE'
      detail = { at: [1, 2] }
      constructor() {
        super('mine', { cause: new TypeError('why', { cause: 'text' }) })
      }
    }
    const back = across(new MyError()) as MyError
    expect(back).toBeInstanceOf(Error)
    expect(back).toMatchObject({ name: 'MyError', message: 'mine', code: 'E_MINE', detail: { at: [1, 2] } })
    expect(back.cause).toBeInstanceOf(TypeError)
    expect((back.cause as Error).cause).toBe('text')
    expect(String(back.stack)).toContain('without-redis')
  })

  test('of ours has its class, its code and what it says of the request', () => {
    const timeout = across(new RunTimeoutError(5, 4, {})) as RunTimeoutError
    expect(timeout).toBeInstanceOf(RunTimeoutError)
    expect(timeout).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 5, timeoutMs: 4, started: true })
    expect(timeout).toMatchObject({ queue: 'q', requestId: 'id', priority: 'low', statusCode: 504 })
    const cancelled = across(new CancelledError('enough', { started: false }, 'id')) as CancelledError
    expect(cancelled).toMatchObject({
      name: 'CancelledError',
      by: 'id',
      reason: 'enough',
      cause: 'enough',
      started: false,
    })
  })

  test('may be anything, and be of any size', () => {
    expect(across('text')).toBe('text')
    expect(across({ a: 1 })).toEqual({ a: 1 })
    expect(across(undefined)).toBeInstanceOf(Error)
    const cyclic: Error & { self?: unknown } = new Error('cyclic')
    cyclic.self = cyclic
    cyclic.cause = cyclic
    expect(across(cyclic)).toMatchObject({ message: 'cyclic' })
    const large = Object.assign(new Error('x'.repeat(100_000)), { much: 'y'.repeat(100_000), n: 1n, little: 1 })
    expect(textOf(large).length).toBeLessThan(40_000)
    expect(across(large)).toMatchObject({ little: 1 })
    const proxy = new Proxy(new Error('x'), {
      get() {
        throw new Error('no')
      },
    })
    expect(across(proxy)).toMatchObject({ message: 'an error that does not want to be looked at' })
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  test('of BullMQ itself is told, too', () => {
    expect(errorOf('job stalled more than allowable limit', {})).toMatchObject({
      code: 'TRIAGE_WORKER_LOST',
      started: true,
    })
    expect(errorOf('whatever', {})).toMatchObject({ message: 'whatever' })
    expect(storedErrorOf('job stalled more than allowable limit').code).toBe('TRIAGE_WORKER_LOST')
    expect(storedErrorOf(textOf(new RangeError('r')))).toMatchObject({ name: 'RangeError', message: 'r' })
  })
})

test('a version of the envelope that is not known is refused by name', () => {
  expect(() => readEnvelope({ v: 2, p: '1', accepted: 1 })).toThrow(
    "Option 'envelope.v': expected version 1, the one that this worker knows: use a later triage-queue here, got 2",
  )
  expect(() => readEnvelope('text')).toThrow(OptionsError)
  expect(() => readEnvelope({ v: 1 })).toThrow(/a job that triage-queue has made/)
})

describe('options', () => {
  test.each<[object, string]>([
    [{}, "Option 'connection': expected the URL of a Redis, or an object with its host and port"],
    [{ connection: 6379 }, "Option 'connection'"],
    [{ connection: { defineCommand() {} } }, 'give its options, not a client'],
    [
      { connection, whenFull: 'shed' },
      "Option 'whenFull': expected 'reject', got 'shed'; over Redis nobody can take back",
    ],
    [{ connection, whenFull: 'block' }, "Option 'whenFull': expected 'reject'"],
    [{ connection, order: {} }, "'order'"],
    [{ connection, reserve: { urgent: 1 } }, "'reserve'"],
    [{ connection, rateLimit: [] }, "'rateLimit'"],
    [{ connection, maxQueueSize: -1 }, "Option 'maxQueueSize'"],
    [{ connection, keep: { completed: { count: -1 } } }, "Option 'keep.completed.count'"],
    [{ connection, kinds: { a: { executor: () => {} } } }, "'kinds.a.executor'"],
    [{ connection, reconcileMs: 0 }, "Option 'reconcileMs'"],
  ])('%o', (options, message) => {
    expect(() => remoteExecutor('q', options as never)).toThrow(message)
  })

  test('of a worker', () => {
    const work = async () => 1
    expect(() => remoteWorker('a:b', work, { connection })).toThrow("Option 'name'")
    expect(() => remoteWorker('q', 1 as never, { connection })).toThrow(
      "Option 'work': expected a function, or a QueuedExecutor",
    )
    expect(() => remoteWorker('q', work, { connection, concurrency: 0 })).toThrow("Option 'concurrency'")
    expect(() => remoteWorker('q', work, { connection, lockMs: 1 })).toThrow("Option 'lockMs'")
    const executor = new QueuedExecutor(work)
    expect(() => remoteWorker('q', executor, { connection, runTimeoutMs: 1 })).toThrow(
      "Option 'runTimeoutMs': expected nothing: it is the executor that says so",
    )
  })
})

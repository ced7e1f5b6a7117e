/**
 * Does it speak to real loggers in their own way, and survive those that fail?
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import { OptionsError } from 'triage-queue'
import { type Logger, type LogOptions, logTo } from 'triage-queue/log'
import { expect, test, vi } from 'vitest'
import { memory, timed } from './support.ts'

function sink() {
  const stream = new Writable({
    write(chunk, _encoding, done) {
      sunk.text += chunk
      done()
    },
  })
  const sunk = { text: '', stream }
  return sunk
}

test('pino: one JSON line each, at its level, with bindings and the trace of the request that it is about', async () => {
  const { clock, queue, send } = timed()
  const out = sink()
  const trace = new AsyncLocalStorage<string>()
  const logger = pino({ base: null, timestamp: false, mixin: () => ({ trace: trace.getStore() }) }, out.stream)
  logTo(queue, logger.child({ service: 'api' }))
  trace.run('t1', () => send(-5, { id: 'a' }))
  trace.run('t2', () => send(-5, { id: 'b' }))
  await clock.run()
  queue.concurrency = 2
  const lines = out.text.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      level: 50,
      service: 'api',
      trace: 't1',
      event: 'failed',
      id: 'a',
      msg: 'request failed',
    }),
    expect.objectContaining({
      level: 50,
      service: 'api',
      trace: 't2',
      event: 'failed',
      id: 'b',
      msg: 'request failed',
    }),
    { level: 30, service: 'api', queue: 'jobs', event: 'resized', from: 1, to: 2, msg: 'concurrency changed' },
  ])
})

test('pino: a level that is changed later counts', () => {
  const { queue } = timed()
  const out = sink()
  const logger = pino({ level: 'silent' }, out.stream)
  logTo(queue, logger)
  queue.concurrency = 2
  expect(out.text).toBe('')
  logger.level = 'info'
  queue.concurrency = 3
  expect(out.text).toContain('"from":2,"to":3')
})

test('a console gets the message first, and nothing in the fields is taken for a format or a control character', () => {
  const { queue, send } = timed({ name: '%s %d', maxQueueSize: 1 })
  const out = sink()
  logTo(queue, new Console(out.stream), { levels: { full: 'off' } })
  for (let n = 0; n < 3; n++) send(1, { id: `%s\u001b[31m\n${n}` })
  expect(out.text).toMatch(/^request refused \{\n {2}queue: '%s %d',\n {2}event: 'rejected',/)
  expect(out.text).toContain("id: '%s\\x1B[31m\\n2'")
})

test.each([
  ['child() and fatal()', { child() {}, fatal() {} }, undefined, 'fields first'],
  [
    'both, and transports, as winston with a level fatal',
    { child() {}, fatal() {}, transports: [] },
    undefined,
    'message first',
  ],
  ['only child(), as winston', { child() {} }, undefined, 'message first'],
  ['neither, as a console', {}, undefined, 'message first'],
  ['both, but the option says console', { child() {}, fatal() {} }, 'console', 'message first'],
  ['neither, but the option says pino', {}, 'pino', 'fields first'],
] as const)('a logger with %s', (_name, methods, shape, expected) => {
  const { queue } = timed()
  const info = vi.fn()
  logTo(queue, { warn() {}, error() {}, info, ...methods }, shape === undefined ? {} : { shape })
  queue.concurrency = 2
  const fields = { queue: 'jobs', event: 'resized', from: 1, to: 2 }
  const args = ['concurrency changed', fields]
  expect(info.mock.calls).toEqual([expected === 'fields first' ? args.reverse() : args])
})

test('a logger that throws hurts no request, is reported once, and the lines it has lost are counted', async () => {
  const problems: unknown[] = []
  const { clock, queue, send } = timed({ onListenerError: (error, event) => problems.push([error, event]) })
  const { told, logger } = memory()
  let isBroken = true
  const error = (...args: never[]) => {
    if (isBroken) throw new Error('disk full')
    logger.error(...args)
  }
  logTo(queue, { ...logger, error })
  const answers = [send(-1), send(-1), send(-1), send(5)]
  await clock.advance(6)
  isBroken = false
  send(-1)
  await clock.run()
  expect(await Promise.all(answers)).toEqual([expect.any(Error), expect.any(Error), expect.any(Error), 5])
  expect(problems).toEqual([[new Error('disk full'), 'failed']])
  expect(queue.getStatus().totals).toMatchObject({ failed: 4, completed: 1 })
  expect(told.map(({ fields }) => [fields.event, fields.suppressed])).toEqual([['failed', 3]])
  isBroken = true
  send(-1)
  await clock.run()
  expect(problems).toHaveLength(2)
})

test('a logger whose promises reject is reported once, and never unhandled', async () => {
  const problems: unknown[] = []
  const { clock, queue, send } = timed({ onListenerError: (error) => problems.push(error) })
  const { logger } = memory()
  logTo(queue, { ...logger, error: () => Promise.reject(new Error('no network')) })
  for (let n = 0; n < 3; n++) send(-1)
  await clock.run()
  expect(problems).toEqual([new Error('no network')])
})

test.each([
  [
    'throws',
    () => {
      throw new Error('disk full')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no network'))],
])('a logger that %s at dispose is a warning, not an error of whoever disposes', async (_name, fails) => {
  const { queue, send } = timed({ maxQueueSize: 1 })
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { logger } = memory()
  let isBroken = false
  const warn = () => (isBroken ? fails() : undefined)
  const log = logTo(queue, { ...logger, warn }, { burst: 1 })
  for (let n = 0; n < 5; n++) send(1)
  isBroken = true
  log()
  await turn()
  expect(warned.mock.calls).toEqual([
    [expect.stringContaining('logger'), expect.objectContaining({ code: 'TRIAGE_LISTENER_ERROR' })],
  ])
  warned.mockRestore()
})

test('a redactor that throws shows nothing, is reported, and costs no line', async () => {
  const problems: unknown[] = []
  const { clock, queue, send } = timed({ onListenerError: (error) => problems.push(error) })
  const { told, logger } = memory()
  logTo(queue, logger, { redact: ({ metadata }) => (metadata as { a: { b: string } }).a.b })
  send(-1, { metadata: { card: '4111' } })
  await clock.run()
  expect(problems).toEqual([expect.any(TypeError)])
  expect(told.map(({ fields }) => fields.payload)).toEqual(['not shown, since the redactor has thrown'])
})

test('a logger that uses the executor itself goes on', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  const warn = (...args: never[]) => {
    logger.warn(...args)
    send(1)
    queue.concurrency++
  }
  const log = logTo(queue, { ...logger, warn }, { burst: 3 })
  for (let n = 0; n < 4; n++) send(1)
  await clock.run()
  log()
  expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, listenerErrors: 0 })
  expect(told.length).toBeGreaterThan(3)
})

const bad = (options: unknown): LogOptions => options as LogOptions

test.each([
  ['an unknown option', { perSecnd: 1 }, "Unknown option 'perSecnd'"],
  ['options that are none', 5, "Option 'options': expected an object, got 5"],
  ['an unknown event', { levels: { queued: 'info' } }, "Unknown option 'levels.queued'"],
  ['an unknown level', { levels: { failed: 'loud' } }, "Option 'levels.failed': expected one of 'trace'"],
  ['a level by inheritance', { levels: { constructor: 'info' } }, "Unknown option 'levels.constructor'"],
  ['a shape', { shape: 'winston' }, "Option 'shape': expected one of 'pino', 'console', got 'winston'"],
  ['no lines at all', { perSecond: 0 }, "Option 'perSecond': expected a number greater than 0, or Infinity, got 0"],
  ['a rate that is NaN', { perSecond: Number.NaN }, "Option 'perSecond': expected"],
  ['half a burst', { burst: 0.5 }, "Option 'burst': expected an integer of at least 1, got 0.5"],
  ['a redactor that is none', { redact: true }, "Option 'redact': expected a function, got true"],
])('refuses %s', (_name, options, message) => {
  const call = () => logTo(timed().queue, memory().logger, bad(options))
  expect(call).toThrow(OptionsError)
  expect(call).toThrow(message)
})

test('refuses what is no executor, and a logger without the methods that are needed', () => {
  const { queue } = timed()
  const { warn, error, info } = memory().logger
  const bare: Logger = { warn, error, info }
  expect(() => logTo(undefined as never, bare)).toThrow("Option 'executor': expected a QueuedExecutor, got undefined")
  expect(() => logTo(queue, undefined as never)).toThrow(
    "Option 'logger': expected a logger that has warn(), error(), info(), got undefined",
  )
  expect(() => logTo(queue, { warn, error } as never)).toThrow('a logger that has info(), got {}')
  expect(() => logTo(queue, bare, { levels: { completed: 'debug' } })).toThrow('a logger that has debug(), got {}')
  expect(() => logTo(queue, bare)).not.toThrow()
})

/**
 * What do the lines say of a store? That it is faulty is an error; that it is well again is not.
 */
import { PayloadTooLargeError, StoreUnavailableError } from 'triage-queue'
import { logTo } from 'triage-queue/log'
import { expect, test } from 'vitest'
import { stored } from '../core/keep/support.ts'
import { turn } from '../failures/support.ts'
import { memory } from './support.ts'

const queue = 'triage'

test('each state of the store has its level and its message', async () => {
  const { queue: executor, store } = await stored()
  const { told, logger } = memory()
  logTo(executor, logger)
  for (const state of ['faulty', 'open', 'closed'] as const) await store.becomes(state)
  const error = {
    code: 'TRIAGE_STORE_UNAVAILABLE',
    errorName: 'StoreUnavailableError',
    errorMessage: "The store 'hand.db' is not available: EIO",
    path: 'hand.db',
  }
  expect(told).toEqual([
    { level: 'error', message: 'store faulty', fields: { queue, event: 'store', state: 'faulty', ...error } },
    { level: 'info', message: 'store open', fields: { queue, event: 'store', state: 'open' } },
    { level: 'info', message: 'store closed', fields: { queue, event: 'store', state: 'closed' } },
  ])
})

test('its level is that of a faulty one; off is off for all', async () => {
  const { queue: executor, store } = await stored()
  const [fatal, silent] = [memory(), memory()]
  logTo(executor, fatal.logger, { levels: { store: 'fatal' } })
  logTo(executor, silent.logger, { levels: { store: 'off' } })
  for (const state of ['faulty', 'open'] as const) await store.becomes(state)
  expect(fatal.told.map(({ level, message }) => [level, message])).toEqual([
    ['fatal', 'store faulty'],
    ['info', 'store open'],
  ])
  expect(silent.told).toEqual([])
})

test('a logger must have info() for a store that is well again, unless no line tells of it', async () => {
  const { queue: executor } = await stored()
  const { error, warn } = memory().logger
  const logger = { error, warn } as never
  const levels = { resized: 'warn', closed: 'warn' } as const
  expect(() => logTo(executor, logger, { levels })).toThrow('a logger that has info()')
  logTo(executor, logger, { levels: { ...levels, store: 'off' } })()
})

test('an answer that was told and not recorded is an error; what is parked is a line for who asks for it', async () => {
  const { clock, gate, queue: executor, store } = await stored({ tellWithinMs: 300 })
  const { told, logger } = memory()
  logTo(executor, logger, { levels: { parked: 'info', closed: 'off' } })
  store.auto()
  const [one, two] = ['a', 'b'].map((id) => executor.execute(id, { id }).catch(({ code }) => code))
  await turn()
  store.byHand()
  await gate.finish('a')
  await clock.advance(300)
  await one
  store.auto()
  await clock.run({ until: executor.close({ drain: false, graceMs: 0 }) })
  await two
  expect(told).toEqual([
    {
      level: 'error',
      message: 'answer told though not recorded',
      fields: { queue, event: 'unrecorded', id: 'a', priority: 'normal' },
    },
    {
      level: 'info',
      message: 'request kept for the next start',
      fields: { queue, event: 'parked', id: 'b', priority: 'normal', started: expect.any(Boolean) },
    },
  ])
})

test('what no store takes says why, and shows nothing of it', async () => {
  const { queue: executor, store } = await stored()
  const { told, logger } = memory()
  logTo(executor, logger)
  const refused = executor.execute('secret').catch(() => {})
  await turn()
  await store.refuse(new StoreUnavailableError('hand.db', 'the disk is full'))
  await refused
  const large = executor.execute('secret').catch(() => {})
  await turn()
  await store.refuse(new PayloadTooLargeError('request', 2_000, 1_000))
  await large
  expect(told.map(({ fields }) => fields)).toMatchObject([
    { reason: 'store_unavailable', path: 'hand.db', errorMessage: expect.stringContaining('the disk is full') },
    { reason: 'payload_too_large', bytes: 2_000, maxBytes: 1_000 },
  ])
  expect(JSON.stringify(told)).not.toContain('secret')
})

/**
 * What may be chosen.
 */
import { OptionsError } from 'triage-queue'
import { openStore, v8Codec } from 'triage-queue/sqlite'
import { expect, test } from 'vitest'
import { readSqliteOptions, requireSqlite } from '../../src/sqlite/options.ts'

test('the defaults are safe, and bounded', () => {
  const { settings, maxPayloadBytes, maxPending, codec } = readSqliteOptions('a.db')
  expect(settings).toMatchObject({
    ...{ path: 'a.db', codec: 'json', synchronous: 'full' },
    keep: { completed: { count: 10_000, ageMs: 86_400_000 }, dead: { count: 10_000, ageMs: 2_592_000_000 } },
  })
  expect({ maxPayloadBytes, maxPending, codec: codec.name }).toEqual({
    maxPayloadBytes: 1_048_576,
    maxPending: 10_000,
    codec: 'json',
  })
})

test('a part that is given leaves the other parts as they are', () => {
  const { settings } = readSqliteOptions('a.db', {
    keep: { completed: { count: 7 } },
    codec: v8Codec,
    synchronous: 'normal',
  })
  expect(settings.keep.completed).toEqual({ count: 7, ageMs: 86_400_000 })
  expect(settings).toMatchObject({ codec: 'v8', synchronous: 'normal' })
})

test.each<[string, unknown, unknown]>([
  ['path', '', undefined],
  ['path', ':memory:', undefined],
  ['path', 'a\0b', undefined],
  ['path', 7, undefined],
  ['synchronous', 'a.db', { synchronous: 'off' }],
  ['keep.completed.count', 'a.db', { keep: { completed: { count: -1 } } }],
  ['keep.dead.ageMs', 'a.db', { keep: { dead: { ageMs: Number.NaN } } }],
  ['keep.live', 'a.db', { keep: { live: {} } }],
  ['keep', 'a.db', { keep: 7 }],
  ['codec', 'a.db', { codec: JSON }],
  ['maxPayloadBytes', 'a.db', { maxPayloadBytes: 0 }],
  ['maxPending', 'a.db', { maxPending: 1.5 }],
  ['checkUpToBytes', 'a.db', { checkUpToBytes: -1 }],
  ['onDamage', 'a.db', { onDamage: true }],
  ['sync', 'a.db', { sync: true }],
])('%s that is none is an OptionsError', async (path, file, options) => {
  const opening = openStore(file as string, options as object)
  await expect(opening).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path })
  await expect(opening).rejects.toBeInstanceOf(OptionsError)
})

test('Node 22.13 is the first that will do', () => {
  for (const version of ['22.13.0', '22.23.3', '24.0.0', '26.1.0']) expect(() => requireSqlite(version)).not.toThrow()
  for (const version of ['22.12.0', '20.20.2']) {
    expect(() => requireSqlite(version)).toThrow(/Node 22\.13 or later, whose node:sqlite needs no flag/)
  }
})

/** The table of what is otherwise over Redis has a row for each member and option, no cell empty, and is true. */
import { readFileSync } from 'node:fs'
import { OptionsError, QueuedExecutor, type RunContext } from 'triage-queue'
import { RemoteExecutor, remoteExecutor } from 'triage-queue/bullmq'
import { HttpClient } from 'triage-queue/http'
import { expect, onTestFinished, test } from 'vitest'
import { RemoteHandle } from '../../src/bullmq/handle.ts'
import { executorOptions as known, requestOptions as knownOfRequest } from '../../src/core/settings.ts'
import { withDeviations } from '../../tools/draw-back-ends.ts'
import * as table from '../contract/deviations.ts'

const connection = 'redis://127.0.0.1:1'
const { members, handleMembers, runMembers, requestOptions, executorOptions } = table
const publicOf = (type: { prototype: object }): string[] =>
  Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor')

test('each member and option has a row, and no cell is empty', () => {
  expect(Object.keys(members).sort()).toEqual(publicOf(QueuedExecutor).sort())
  expect(Object.keys(executorOptions).sort()).toEqual([...known.names].sort())
  expect(Object.keys(requestOptions).sort()).toEqual([...knownOfRequest].sort())
  for (const rows of [members, handleMembers, runMembers, requestOptions, executorOptions]) {
    for (const row of Object.values(rows)) {
      expect(row).toHaveLength(table.columns.length)
      for (const cell of row) expect(cell.length).toBeGreaterThan(0)
    }
  }
})

test('each member of a handle and of a run has a row', async () => {
  let run: RunContext | undefined
  const queue = new QueuedExecutor(async (_: number, context) => {
    run = context
  })
  const request = queue.offer(1)
  await request?.result
  const of = (it: object): string[] => Object.getOwnPropertyNames(Object.getPrototypeOf(it))
  for (const name of Object.keys(handleMembers)) expect(name in (request as object), name).toBe(true)
  const names = of(run as object).filter((name) => name !== 'constructor')
  expect(Object.keys(runMembers).sort()).toEqual(names.sort())
})

test('what is said not to be offered is not, and all else is', () => {
  const offered = (row: readonly string[], column: number): boolean =>
    !(row[column] as string).startsWith('Not offered')
  const own = new Set(['name', 'settings'])
  for (const [member, row] of Object.entries(members)) {
    expect([member, own.has(member) || publicOf(RemoteExecutor).includes(member)]).toEqual([member, offered(row, 2)])
    if (member === 'name') continue
    expect([member, publicOf(HttpClient).includes(member)]).toEqual([member, offered(row, 1)])
  }
  for (const [member, row] of Object.entries(handleMembers)) {
    expect([member, publicOf(RemoteHandle).includes(member)]).toEqual([member, offered(row, 2)])
  }
})

test('what is said to be refused is refused, by its name', async () => {
  const given: { readonly [option: string]: unknown } = { concurrency: 1, order: {}, whenFull: 'shed' }
  for (const [option, [, , cell]] of Object.entries(executorOptions)) {
    if (!cell.startsWith('Refused') && option !== 'whenFull') continue
    expect(() => remoteExecutor('q', { connection, [option]: given[option] ?? 1 } as never), option).toThrow(
      OptionsError,
    )
    expect(() => remoteExecutor('q', { connection, [option]: given[option] ?? 1 } as never)).toThrow(`'${option}'`)
  }
  const executor = remoteExecutor('q', { connection, kinds: { a: {} } })
  onTestFinished(() => executor.close({ drain: false, graceMs: 0 }))
  const ofRequest: { readonly [option: string]: unknown } = { cost: 2, after: [], kind: 'b' }
  for (const [option, [, , cell]] of Object.entries(requestOptions)) {
    if (!cell.startsWith('Refused')) continue
    const options = { [option]: ofRequest[option] }
    await expect(executor.submit(1, options)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: option })
  }
})

test('docs/redis.md prints the table', () => {
  const page = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')
  expect(page).toBe(withDeviations(page))
})

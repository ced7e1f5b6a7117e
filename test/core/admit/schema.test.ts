/**
 * What else may happen while a schema looks at a request: it throws, the caller has left, the executor closes.
 */
import { QueuedExecutor, type QueuedExecutorOptions, type StandardSchema } from 'triage-queue'
import { expect, test } from 'vitest'
import { turn, watch } from '../../failures/support.ts'

type Validate = StandardSchema<string>['~standard']['validate']

function checked(validate: Validate, options: QueuedExecutorOptions<string> = {}) {
  const ran: string[] = []
  const schema: StandardSchema<string> = { '~standard': { version: 1, vendor: 'test', validate } }
  const queue = new QueuedExecutor((request: string) => ran.push(request), { schema, ...options })
  return { queue, ran }
}

test.each<[string, (error: Error) => Validate]>([
  [
    'throws',
    (error) => () => {
      throw error
    },
  ],
  [
    'rejects',
    (error) => async () => {
      throw error
    },
  ],
])('what a schema %s refuses the request with that very error', async (_how, validate) => {
  const broken = new Error('broken')
  const { queue, ran } = checked(validate(broken))
  expect(await queue.execute('a').catch((error) => error)).toBe(broken)
  expect(ran).toEqual([])
  expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 0, rejected: 1 } })
  await queue.idle()
})

test('a caller who has left already is refused with the reason, however long the schema takes', async () => {
  let answer!: (result: { value: string }) => void
  const { queue, ran } = checked(
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  )
  const end = watch(queue.execute('a', { signal: AbortSignal.abort('gone') }))
  await turn()
  expect(end.error).toBe('gone')
  answer({ value: 'a' })
  await turn()
  expect(ran).toEqual([])
  expect(queue.getStatus()).toMatchObject({
    totals: { admitted: 0, rejected: 1 },
    rejectedByPriority: { normal: { aborted: 1 } },
  })
  await queue.idle()
})

test('a request whose schema closes the executor is not admitted any more', async () => {
  const { queue, ran } = checked((value) => {
    void queue.close()
    return { value: value as string }
  })
  const end = watch(queue.execute('a'))
  await queue.close()
  expect([end.outcome, ran]).toEqual(['TRIAGE_QUEUE_CLOSED', []])
  expect(queue.getStatus().totals).toMatchObject({ admitted: 0, rejected: 1 })
})

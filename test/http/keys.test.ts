/** Whose answer does a key have? That of the same request alone, as it is kept: with and without a store. */
import { memoryStore, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { principals } from './support/principals.ts'
import { type Ask, ask, held, type Reply, until } from './support/service.ts'

type Run = ConstructorParameters<typeof QueuedExecutor<unknown, unknown>>[0]

const stores: readonly [string, () => QueuedExecutorOptions][] = [
  ['without a store', () => ({})],
  ['with memoryStore()', () => ({ store: memoryStore() })],
]

async function start(run: Run, options: QueuedExecutorOptions) {
  const queue = new QueuedExecutor<unknown, unknown>(run, { name: 'llm', concurrency: 1, ...options })
  const service = await listen(httpApp({ queues: queue, auth: { tokens: principals } }))
  onTestFinished(async () => {
    await service.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  const submit = (body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    ask(service.url, '/v1/queues/llm/requests', {
      as: 'sam',
      body,
      headers: { prefer: 'wait=10', 'idempotency-key': 'k', ...headers },
    })
  return { queue, submit, asks: (path: string, one: Ask) => ask(service.url, path, one) }
}

/** Two, of which each is run as any other is. */
const kindsOf = (executor: Run) => ({ one: { executor }, two: { executor } })

const outcome = ({ status, body }: Reply) => [status, body?.code ?? body, body?.reason]
const other = [422, 'TRIAGE_DUPLICATE_REQUEST', 'payload']

describe.each(stores)('%s', (_, store) => {
  test('whoever is refused, since another has its key, takes nothing from that one', async () => {
    const { run, calls, called } = held<unknown, string>()
    const { queue, submit } = await start(run, { maxQueueSize: 1, whenFull: 'block', ...store() })
    for (const request of ['runs', 'waits']) await queue.submit(request)
    const first = submit({ of: 'A' })
    await until(() => queue.getStatus().blocked === 1)
    expect(outcome(await submit({ of: 'B' }))).toEqual(other)
    for (let n = 0; n < 3; n++) {
      await called(n + 1)
      calls[n]?.resolve(`answer ${n}`)
    }
    expect(outcome(await first)).toEqual([200, 'answer 2', undefined])
    expect(outcome(await submit({ of: 'B' }))).toEqual(other)
    expect(outcome(await submit({ of: 'A' }))).toEqual([200, 'answer 2', undefined])
    expect(calls.length).toBe(3)
  })

  test('a schema that makes another payload of it leaves its key that of what was submitted', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: async (value: unknown) => ({ value: { ...(value as object), isChecked: true } }),
      },
    }
    const { submit } = await start(async (request) => request, { schema, ...store() })
    const answer = [200, { of: 'A', isChecked: true }, undefined]
    expect(outcome(await submit({ of: 'A' }))).toEqual(answer)
    expect(outcome(await submit({ of: 'A' }))).toEqual(answer)
    expect(outcome(await submit({ of: 'A', isChecked: true }))).toEqual(other)
  })

  test('a dead letter that lives again is still the same request', async () => {
    let isWell = false
    const run: Run = async (request) => {
      if (!isWell) throw new Error('no')
      return request
    }
    const { queue, submit, asks } = await start(run, { kinds: kindsOf(run), ...store() })
    const one = { 'triage-options': '{"kind":"one"}' }
    const kinds: unknown[] = []
    queue.on('queued', async ({ id }) => kinds.push((await queue.find(id))?.kind))
    expect((await submit({ of: 'A' }, one)).status).toBe(502)
    isWell = true
    const letter = '/v1/queues/llm/requests/sam~k'
    const { headers } = await asks(letter, { as: 'olga' })
    const again = { as: 'olga', method: 'POST', headers: { 'if-match': headers.etag as string } }
    expect((await asks(`${letter}/requeue`, again)).status).toBe(200)
    await queue.idle()
    expect(outcome(await submit({ of: 'B' }, one))).toEqual(other)
    expect(outcome(await submit({ of: 'A' }, { 'triage-options': '{"kind":"two"}' }))).toEqual(other)
    expect(outcome(await submit({ of: 'A' }, one))).toEqual([200, { of: 'A' }, undefined])
    expect(new Set(kinds)).toEqual(new Set(['one']))
  })

  test('what was submitted in the process has its answer for the same request alone', async () => {
    const { queue, submit } = await start(async () => 'answer', store())
    await queue.execute({ of: ['A'] }, { id: 'sam~k' })
    expect(outcome(await submit({ of: 'A' }))).toEqual(other)
    expect(outcome(await submit([['of', ['A']]]))).toEqual(other)
    expect(outcome(await submit({ of: ['A'] }))).toEqual([200, 'answer', undefined])
  })

  const kinds = kindsOf(async () => 'answer')
  const asked = { of: 'A', n: 1 }
  const cases: readonly [string, unknown, Record<string, string>, unknown[]][] = [
    ['the same', { n: 1, of: 'A' }, { 'triage-options': '{"kind":"one"}' }, [200, 'answer', undefined]],
    ['another payload', { n: 2, of: 'A' }, { 'triage-options': '{"kind":"one"}' }, other],
    ['another kind', asked, { 'triage-options': '{"kind":"two"}' }, other],
    ['no kind', asked, {}, other],
    ['a kind that there is not', asked, { 'triage-options': '{"kind":"three"}' }, [400, 'INVALID', undefined]],
    [
      'onDuplicate: reject',
      asked,
      { 'triage-options': '{"kind":"one","onDuplicate":"reject"}' },
      [409, 'TRIAGE_DUPLICATE_REQUEST', 'completed'],
    ],
    [
      'onDuplicate: reject, and another payload',
      { n: 2 },
      { 'triage-options': '{"kind":"one","onDuplicate":"reject"}' },
      other,
    ],
    [
      'onDuplicate: join-by-id, and another payload',
      { n: 2 },
      { 'triage-options': '{"kind":"one","onDuplicate":"join-by-id"}' },
      [200, 'answer', undefined],
    ],
    ['an option that there is not', asked, { 'triage-options': '{"kinds":"one"}' }, [400, 'INVALID', undefined]],
    ['options that are no JSON', asked, { 'triage-options': '{' }, [400, 'INVALID', undefined]],
    ['too high a cost', asked, { 'triage-options': '{"kind":"one","cost":9}' }, [400, 'INVALID', undefined]],
    [
      'a priority that there is not',
      asked,
      { 'triage-options': '{"kind":"one"}', 'triage-priority': 'soon' },
      [400, 'TRIAGE_INVALID_REQUEST', undefined],
    ],
    [
      'a deadline that is none',
      asked,
      { 'triage-options': '{"kind":"one"}', 'triage-deadline': 'soon' },
      [400, 'TRIAGE_INVALID_REQUEST', undefined],
    ],
  ]
  test.each(cases)('whoever asks again with %s', async (_name, body, headers, expected) => {
    const { queue, submit } = await start(async () => 'answer', { kinds, ...store() })
    expect((await submit(asked, { 'triage-options': '{"kind":"one"}' })).body).toBe('answer')
    expect(outcome(await submit(body, headers))).toEqual(expected)
    expect(queue.getStatus().totals.admitted).toBe(1)
  })

  test('an executor that joins none refuses whoever asks again', async () => {
    const { submit } = await start(async () => 'answer', { onDuplicate: 'reject', ...store() })
    await submit(asked)
    expect(outcome(await submit(asked))).toEqual([409, 'TRIAGE_DUPLICATE_REQUEST', 'completed'])
  })
})

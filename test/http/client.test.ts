/** `HttpClient`: what a `QueuedExecutor` promises, over HTTP; and what it does when the connection does not hold. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  CancelledError,
  DuplicateRequestError,
  isTriageError,
  QueuedExecutor,
  type QueuedExecutorLike,
  type QueuedExecutorOptions,
  QueueFullError,
  RunTimeoutError,
  StoreUnavailableError,
  WaitTimeoutError,
} from 'triage-queue'
import { HttpClient, type HttpClientOptions } from 'triage-queue/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tokenOf } from './support/principals.ts'
import { held, serve, until } from './support/service.ts'

type Run = ConstructorParameters<typeof QueuedExecutor<unknown, unknown>>[0]
type Subject = Omit<QueuedExecutorLike, 'name' | 'find' | 'setConcurrency' | 'on' | 'off'> & {
  on(event: 'completed', listener: (event: never) => unknown): unknown
}

/** One queue, used in each way. */
const ways: readonly [string, (run: Run, options: QueuedExecutorOptions) => Promise<Subject>][] = [
  ['in this process', async (run, options) => new QueuedExecutor(run, options) as unknown as Subject],
  ['over HTTP, by polls', (run, options) => overHttp(run, options, 'polls')],
  ['over HTTP, by events', (run, options) => overHttp(run, options, 'events')],
]

async function overHttp(run: Run, options: QueuedExecutorOptions, results: 'polls' | 'events'): Promise<Subject> {
  const { url } = await serve({ run, queue: options })
  return client({ url, results }) as unknown as Subject
}

function client(options: Partial<HttpClientOptions> & { url: string }): HttpClient {
  const made = new HttpClient({ queue: 'llm', token: tokenOf('ada'), ...options })
  onTestFinished(() => made.close({ drain: false }))
  return made
}

describe.each(ways)('%s', (_, make) => {
  test('execute() answers with the result', async () => {
    const queue = await make(async (request) => ({ echo: request }), {})
    expect(await queue.execute({ q: 'ü💥' }, { priority: 'high', metadata: { who: 'ü💥' } })).toEqual({
      echo: { q: 'ü💥' },
    })
  })

  test('submit() gives a handle of the caller’s id, whose state, position and result are its own', async () => {
    const { run, calls, called } = held()
    const queue = await make(run, { concurrency: 1 })
    const first = await queue.submit('a', { id: 'a' })
    const second = await queue.submit('b', { id: 'b' })
    await called(1)
    expect([first.id, second.id, await second.position()]).toEqual(['a', 'b', 0])
    expect((await queue.get('b'))?.state).toBe('waiting')
    expect(await queue.get('c')).toBeUndefined()
    const [one, two] = [first.result, second.result]
    calls[0]?.resolve('A')
    await called(2)
    calls[1]?.resolve('B')
    expect(await Promise.all([one, two])).toEqual(['A', 'B'])
    expect(await queue.get('a')).toBeUndefined()
  })

  test('cancel() ends it with a CancelledError, once', async () => {
    const { run, called } = held()
    const queue = await make(run, {})
    const { result } = await queue.submit('a', { id: 'a' })
    await called(1)
    const ended = expect(result).rejects.toThrow(CancelledError)
    expect(await queue.cancel('a')).toBe(true)
    await ended
    expect([await queue.cancel('a'), await queue.cancel('nobody')]).toEqual([false, false])
  })

  test('whoever is cancelled while it runs is told that it had started, and one that waited that it had not', async () => {
    const { run, called } = held()
    const queue = await make(run, { concurrency: 1 })
    const [runs, waits] = [await queue.submit('runs', { id: 'r' }), await queue.submit('waits', { id: 'w' })]
    await called(1)
    const ends = [runs.result, waits.result].map((result) => result.catch(({ code, started }) => [code, started]))
    await queue.cancel('w')
    await queue.cancel('r')
    expect(await Promise.all(ends)).toEqual([
      ['TRIAGE_CANCELLED', true],
      ['TRIAGE_CANCELLED', false],
    ])
  })

  test('mistakes in options are OptionsErrors, and nothing runs', async () => {
    const { run, calls } = held()
    const queue = await make(run, { concurrency: 2 })
    const caught = async (options: unknown) =>
      queue.execute('x', options as never).catch(({ code, message }) => `${code}: ${message}`)
    expect(await caught({ timeout: 5 })).toMatch(/^TRIAGE_INVALID_OPTIONS: Unknown option 'timeout'.*timeoutMs/)
    expect(await caught('high')).toBe("TRIAGE_INVALID_OPTIONS: Option 'options': expected an object, got 'high'")
    for (const options of [
      ...[{ priority: 'x' }, { id: 5 }, { timeoutMs: -1 }, { startAt: 'now' }, { signal: {} }, { after: 'an id' }],
    ]) {
      expect(await caught(options)).toMatch(/^TRIAGE_INVALID_OPTIONS: Option '\w+': expected /)
    }
    expect(await caught({ cost: 99 })).toMatch(/^TRIAGE_INVALID_OPTIONS: Option 'cost': expected .*, got 99$/)
    expect(await caught({ deadline: Date.now() - 1_000 })).toMatch(/^TRIAGE_WAIT_TIMEOUT/)
    expect(() => queue.on('complete' as never, () => {})).toThrow("There is no event 'complete'; the events are ")
    expect(calls).toEqual([])
  })

  test('a signal ends it with its reason, and its run is told', async () => {
    const { run, calls, called } = held()
    const queue = await make(run, {})
    const caller = new AbortController()
    const executed = queue.execute('a', { signal: caller.signal })
    const ended = expect(executed).rejects.toThrow('enough')
    await called(1)
    caller.abort(new Error('enough'))
    await ended
    await until(() => calls[0]?.signal.aborted === true)
    await expect(queue.execute('b', { signal: AbortSignal.abort(new Error('already')) })).rejects.toThrow('already')
  })

  test('a handle moves it to another priority while it waits', async () => {
    const { run, calls, called } = held()
    const queue = await make(run, { concurrency: 1 })
    await queue.submit(0)
    await called(1)
    const a = await queue.submit('a', { priority: 'low' })
    const b = await queue.submit('b', { priority: 'low' })
    expect(await b.setPriority('urgent')).toBe(true)
    expect([await a.position(), await b.position()]).toEqual([1, 0])
    calls[0]?.resolve(0)
    await called(2)
    expect(calls[1]?.request).toBe('b')
    expect(await b.setPriority('low')).toBe(false)
  })

  test('equal requests with one id share a run; another payload is refused', async () => {
    const { run, calls, called } = held()
    const queue = await make(run, {})
    const both = [queue.execute({ q: 1 }, { id: 'k' }), queue.execute({ q: 1 }, { id: 'k' })]
    await called(1)
    const other = (await queue.execute({ q: 2 }, { id: 'k' }).catch((error) => error)) as DuplicateRequestError
    expect(other).toBeInstanceOf(DuplicateRequestError)
    expect([other.code, other.reason, other.statusCode]).toEqual(['TRIAGE_DUPLICATE_REQUEST', 'payload', 422])
    // Both have joined by then, wherever they are.
    await until(async () => (await queue.getStatus()).totals.joined === 1)
    calls[0]?.resolve('once')
    expect(await Promise.all(both)).toEqual(['once', 'once'])
    expect(calls.length).toBe(1)
  })

  test('errors are those of the classes that they are', async () => {
    const { run, called } = held()
    const queue = await make(run, { concurrency: 1, maxQueueSize: 1 })
    await queue.submit('running')
    await called(1)
    const late = await queue.execute('late', { waitTimeoutMs: 20 }).catch((error) => error)
    expect(late).toBeInstanceOf(WaitTimeoutError)
    await queue.submit('waiting')
    const full = await queue.execute('full', { id: 'f' }).catch((error) => error)
    expect(full).toBeInstanceOf(QueueFullError)
    expect(isTriageError(full)).toBe(true)
    expect(full).toMatchObject({
      ...{
        code: 'TRIAGE_QUEUE_FULL',
        name: 'QueueFullError',
        bound: 'total',
        maxSize: 1,
        started: false,
        statusCode: 503,
      },
      ...{ retryAfterMs: expect.any(Number), explain: { rule: 'maxQueueSize' }, priority: 'normal' },
    })
    await expect(queue.execute('x', { priority: 'soon' as 'low' })).rejects.toMatchObject({ name: expect.any(String) })
  })

  test('a run that takes too long is a RunTimeoutError', async () => {
    const queue = await make(() => new Promise(() => {}), {})
    const error = (await queue.execute('x', { runTimeoutMs: 10 }).catch((it) => it)) as RunTimeoutError
    expect(error).toBeInstanceOf(RunTimeoutError)
    expect(error.started).toBe(true)
  })

  test('pause, resume, status, idle', async () => {
    const queue = await make(async (n) => n, {})
    await queue.pause()
    const { result } = await queue.submit(1)
    expect((await queue.getStatus()).state).toBe('paused')
    expect((await queue.getStatus()).waiting).toBe(1)
    await queue.resume()
    await queue.idle()
    expect(await result).toBe(1)
  })

  test('it is told what happens', async () => {
    const queue = await make(async (n) => n, {})
    const told: { id: string }[] = []
    queue.on('completed', (event: { id: string }) => told.push(event))
    // Elsewhere the stream has to be open first.
    await until(async () => {
      await queue.execute(1)
      return told.length > 0
    })
    expect(told[0]?.id).toEqual(expect.any(String))
  })

  test('close() waits for what was submitted, and admits no more', async () => {
    const { run, calls, called } = held()
    const queue = await make(run, {})
    const { result } = await queue.submit(1)
    const answer = expect(result).resolves.toBe('done')
    await called(1)
    const closed = queue.close()
    await expect(queue.submit(2)).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    calls[0]?.resolve('done')
    await closed
    await answer
  })
})

test('what its executor has failed with is a RunFailedError there', async () => {
  const { url } = await serve({
    run: async () => {
      throw new TypeError('secret')
    },
  })
  for (const results of ['polls', 'events'] as const) {
    const error = await client({ url, results })
      .execute(1)
      .catch((it) => it)
    expect(error).toMatchObject({ code: 'TRIAGE_RUN_FAILED', name: 'RunFailedError', started: true })
    expect(String(error)).not.toContain('secret')
  }
})

describe.each(['polls', 'events'] as const)('ids, by %s', (results) => {
  test.each([
    ...['"', '"k"', '""', 'a"b', '\\', 'a\\', '\\\\', '\\"', '"\\', '\\u0041', '%', '%22', '%2e', '%2e%2e'],
    ...['a/b', '/', '//', 'a/..', '../a', '...', '?', '#', '&=+;,', '~', 'ada~k', "'", '`', '<>', 'x'.repeat(200)],
  ])('%s is the id of its request, of its record and of its handle', async (id) => {
    const { run, calls, called } = held()
    const { url, queue } = await serve({ run })
    const there = client({ url, results })
    const executed = there.execute({ q: 1 }, { id })
    await called(1)
    expect(queue.get(`ada~${id}`)?.state).toBe('running')
    const handle = await there.get(id)
    expect([handle?.id, handle?.state, (await there.find(id))?.id]).toEqual([id, 'running', id])
    calls[0]?.resolve('done')
    expect([await executed, await handle?.result]).toEqual(['done', 'done'])
    expect(await there.find(id)).toMatchObject({ id, state: 'completed', result: 'done' })
    expect(await there.execute({ q: 1 }, { id })).toBe('done')
    expect(calls.length).toBe(1)
    const other = `${id.slice(1)}!`
    const { result } = await there.submit({ q: 2 }, { id: other })
    const ended = expect(result).rejects.toThrow(CancelledError)
    expect([await there.cancel(other), await there.cancel(other)]).toEqual([true, false])
    await ended
  })

  test.each([...['two words', ' k', 'k ', 'ü', '💥', 'a\nb', '\0', '\ud800', 'x'.repeat(201), '.', '..']])(
    '%j can not be said, and is refused before anything is sent',
    async (id) => {
      let calls = 0
      const there = client({
        ...{ url: await closedPort(), results },
        fetch: async () => {
          calls++
          throw new Error('nobody is there')
        },
      })
      const refused = { code: 'TRIAGE_INVALID_OPTIONS', path: 'id', received: id }
      await expect(there.execute(1, { id })).rejects.toMatchObject(refused)
      await expect(there.submit(1, { id })).rejects.toMatchObject(refused)
      expect(calls).toBe(0)
    },
  )

  test.each(['.', '..', '\ud800'])('%j is no path to a record, and leads to nothing else', async (id) => {
    const { url } = await serve()
    const there = client({ url, results })
    const refused = { code: 'TRIAGE_INVALID_OPTIONS' }
    await expect(there.find(id)).rejects.toMatchObject(refused)
    await expect(there.get(id)).rejects.toMatchObject(refused)
    await expect(there.cancel(id)).rejects.toMatchObject(refused)
    expect([await there.find(''), await there.get(''), await there.cancel('')]).toEqual([undefined, undefined, false])
  })
})

test('what JSON can not say is refused at once', async () => {
  const there = client({ url: await closedPort() })
  const loop: Record<string, unknown> = {}
  loop.self = loop
  for (const request of [5n, loop, () => 1]) {
    await expect(there.execute(request)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST', started: false })
  }
})

test('a service that goes away while its request runs leaves open whether it has started', async () => {
  const { run, called } = held()
  const { service, url } = await serve({ run })
  const handle = await client({ url, retries: 0 }).submit(1)
  await called(1)
  await service.close()
  await expect(handle.result).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE', started: 'unknown' })
})

test('an end that is told while its record is on its way is not missed', async () => {
  const { run, calls, called } = held()
  const { url } = await serve({ run })
  let reads = 0
  const slow = async (to: string, init: RequestInit) => {
    const answer = await fetch(to, init)
    if (init.method !== 'GET' || to.includes('/events') || ++reads > 1) return answer
    // It says that it runs; and it has ended, and that was told, before its caller has read so.
    const text = await answer.text()
    const told = new Promise((resolve) => there.on('completed', resolve))
    calls[0]?.resolve('done')
    await told
    return new Response(text, answer)
  }
  const there: HttpClient = client({ url, results: 'events', fetch: slow, pollMs: 100_000 })
  const handle = await there.submit(1)
  await called(1)
  expect(await handle.result).toBe('done')
})

test('find() shows one that has ended, and setConcurrency() sets it', async () => {
  const { url, queue } = await serve()
  const there = client({ url })
  await there.execute({ q: 1 }, { id: 'k' })
  expect(await there.find('k')).toMatchObject({ id: 'k', state: 'completed', result: { echo: { q: 1 } } })
  await there.setConcurrency(9)
  expect(queue.concurrency).toBe(9)
})

/** Where nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

/** Something in front of a service that loses what it is told to. */
async function lossy(
  url: string,
  loses: (path: string, n: number) => 'request' | 'answer' | undefined,
): Promise<string> {
  let n = 0
  const proxy = createServer((request, response) => {
    const loss = loses(request.url ?? '', n++)
    if (loss === 'request') {
      request.socket.destroy()
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', async () => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name)),
      )
      const body = chunks.length === 0 ? undefined : Buffer.concat(chunks)
      const init = {
        method: request.method as string,
        headers: headers as Record<string, string>,
        ...(body && { body }),
      }
      const answer = await fetch(url + request.url, init)
      const text = await answer.text()
      if (loss === 'answer') request.socket.destroy()
      else response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(text)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

test.each(['request', 'answer'] as const)(
  'a %s that is lost is asked for again, and nothing runs twice',
  async (loss) => {
    let runs = 0
    const { url } = await serve({ run: async () => ++runs })
    const there = client({ url: await lossy(url, (_, n) => (n % 2 === 0 ? loss : undefined)) })
    for (let n = 1; n <= 5; n++) expect(await there.execute({ n })).toBe(n)
    expect(runs).toBe(5)
  },
)

test('a service that can’t be reached is a StoreUnavailableError, which says what is known', async () => {
  const nobody = await client({ url: await closedPort(), retries: 1 })
    .execute(1)
    .catch((error) => error)
  expect(nobody).toBeInstanceOf(StoreUnavailableError)
  expect(nobody).toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE', started: false })
  const { url } = await serve()
  const cut = await client({ url: await lossy(url, () => 'answer'), retries: 1 })
    .execute(1)
    .catch((error) => error)
  expect(cut).toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE', started: 'unknown' })
})

test('close({ drain: false }) leaves what is waited for, which goes on there', async () => {
  const { run, called } = held()
  const { url, queue } = await serve({ run })
  const there = client({ url })
  const executed = there.execute(1)
  const ended = expect(executed).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED', by: 'close' })
  await called(1)
  await there.close({ drain: false })
  await ended
  expect(queue.getStatus().running).toBe(1)
})

test('bad options are told', () => {
  expect(() => new HttpClient({ url: 'ftp://x', queue: 'llm' })).toThrow(
    "Option 'url': expected an URL of http or https",
  )
  expect(() => new HttpClient({ url: 'http://x' } as HttpClientOptions)).toThrow("Option 'queue'")
})

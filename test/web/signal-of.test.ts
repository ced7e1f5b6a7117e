/**
 * Does a client that hangs up end its request, and is nothing left when it does not? On real sockets.
 */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createServer2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { isTriageError, QueuedExecutor } from 'triage-queue'
import { optionsFrom, type ResponseLike, signalOf } from 'triage-queue/web'
import { expect, onTestFinished, test } from 'vitest'
import { busy, get, portOf } from './support.ts'

const aborted = (signal: AbortSignal): Promise<unknown> => once(signal, 'abort')

test('a client that hangs up aborts it, and with it its request', async () => {
  const queue = await busy()
  const heard = Promise.withResolvers<unknown>()
  const port = await portOf(
    createServer((req, res) => {
      queue.execute('waits', optionsFrom(req, res)).catch(heard.resolve)
      asked.destroy()
    }),
  )
  const asked = request({ host: '127.0.0.1', port }).end()
  asked.on('error', () => {})
  const error = await heard.promise
  expect(isTriageError(error)).toBe(true)
  expect(error).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'the client has gone' })
  expect(queue.getStatus().waiting).toBe(0)
})

test('an answer leaves nothing behind, nor on a connection that goes on', async () => {
  const signals: AbortSignal[] = []
  const responses: ServerResponse[] = []
  const sockets = new Set<unknown>()
  const listeners: number[] = []
  const queue = new QueuedExecutor(async (n: number) => `${n}`)
  const port = await portOf(
    createServer(async (req, res) => {
      const options = optionsFrom(req, res)
      signals.push(options.signal)
      responses.push(res)
      sockets.add(req.socket)
      listeners.push(req.socket.listenerCount('close') + req.listenerCount('close'))
      res.end(await queue.execute(signals.length, options))
    }),
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  for (let n = 1; n <= 20; n++) {
    const [response] = await once(request({ host: '127.0.0.1', port, agent }).end(), 'response')
    expect((await response.setEncoding('utf8').toArray()).join('')).toBe(`${n}`)
  }
  expect(sockets.size).toBe(1)
  // On the connection there is never a listener of ours.
  expect(new Set(listeners).size).toBe(1)
  const last = responses.at(-1) as ServerResponse
  if (!last.closed) await once(last, 'close')
  expect(signals.map((signal) => signal.aborted)).toEqual(signals.map(() => false))
  expect(responses.map((response) => response.listeners('close'))).toEqual(responses.map(() => []))
})

test('a client that has gone before it is asked for has gone', async () => {
  const heard = Promise.withResolvers<AbortSignal>()
  const port = await portOf(
    createServer(async (req, res) => {
      res.once('close', () => heard.resolve(signalOf(req, res)))
      asked.destroy()
    }),
  )
  const asked = request({ host: '127.0.0.1', port }).end()
  asked.on('error', () => {})
  const { aborted: isAborted, reason } = await heard.promise
  expect([isAborted, isTriageError(reason)]).toEqual([true, true])
})

test('an answer that has been given is not aborted by what comes later', () => {
  const request = { headers: {}, socket: { destroyed: true } }
  const response = { writableEnded: true, once: () => expect.fail('it listens') } satisfies ResponseLike
  expect(signalOf(request, response).aborted).toBe(false)
})

test('HTTP/2, too: a stream that is reset, and one that is answered', async () => {
  const heard: [AbortSignal, Http2ServerResponse][] = []
  const arrived = Promise.withResolvers<void>()
  const server = createServer2((req: Http2ServerRequest, res: Http2ServerResponse) => {
    heard.push([signalOf(req, res), res])
    if (req.url === '/answered') res.end('yes')
    else arrived.resolve()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => {
    session.destroy()
    server.close()
  })
  const answered = session.request({ ':path': '/answered' })
  await answered.setEncoding('utf8').toArray()
  const dropped = session.request({ ':path': '/dropped' })
  dropped.on('error', () => {})
  await arrived.promise
  const [, [signal] = expect.fail('it has not arrived')] = heard
  const gone = aborted(signal)
  dropped.close(8)
  await gone
  expect(signal.reason).toMatchObject({ code: 'TRIAGE_CANCELLED' })
  expect(heard[0]?.[0].aborted).toBe(false)
})

test('headers that can’t be read are refused before anything listens', async () => {
  const port = await portOf(
    createServer((req: IncomingMessage, res: ServerResponse) => {
      const before = res.listenerCount('close')
      try {
        optionsFrom(req, res)
      } catch (error) {
        res.end(`${isTriageError(error) && error.statusCode} ${res.listenerCount('close') - before}`)
      }
    }),
  )
  expect((await get(port, { 'triage-deadline': 'soon' })).body).toBe('400 0')
})

test('all that a client asks for, in one', async () => {
  const request = { headers: { 'triage-deadline': '5000', priority: 'u=1' }, socket: null }
  const response = { writableEnded: false, once: () => {} }
  expect(optionsFrom(request, response)).toMatchObject({ priority: 'normal', timeoutMs: 5_000 })
  expect(optionsFrom(request, response, { rfc9218: true, maxMs: 1_000 })).toMatchObject({
    priority: 'high',
    timeoutMs: 1_000,
    signal: expect.any(AbortSignal),
  })
})

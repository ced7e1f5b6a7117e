/**
 * A service around executors: `httpApp()`. It speaks by fetch, and by Node's `(req, res)`; `listen()` gives it a port.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Access } from './access.ts'
import { Buckets } from './buckets.ts'
import { type Connection, FetchExchange, responseOf } from './by-fetch.ts'
import { Dispatch } from './dispatch.ts'
import { Hub } from './events/hub.ts'
import { filterOf } from './events/sse.ts'
import { Sockets } from './events/web-socket.ts'
import type { Answer } from './exchange.ts'
import { Gate } from './gate.ts'
import { History } from './history.ts'
import { answerByNode, NodeExchange, refusalText } from './node.ts'
import { openapiOf } from './openapi.ts'
import { type HttpAppOptions, readHttpOptions } from './options.ts'
import { answerOf } from './problem.ts'
import { Router } from './router.ts'
import { withTier } from './routes-queues.ts'
import { ServedQueue } from './served-queue.ts'
import type { AuditEntry, Service } from './service.ts'
import { settingsOf } from './settings-in-words.ts'
import { routes } from './table.ts'

/** Node's IncomingMessage, or what has one in it. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
}

/** Node's ServerResponse. */
export interface NodeResponse {
  end(): unknown
}

/** A service, ready to be mounted. */
export interface HttpApp {
  /** For what hands over a `Request`. `connection` says where it comes from: without it nobody is taken to be on this machine. */
  readonly fetch: (request: Request, connection?: Connection | undefined) => Promise<Response>
  /** For `node:http`, Express and others: `app.use('/queue', service.listener)`. */
  readonly listener: (request: NodeRequest, response: NodeResponse) => void
  /** For the event `upgrade` of a server: WebSockets at `/v1/ws`. */
  readonly upgrade: (request: NodeRequest, socket: object, head: object) => void
  /** Ends what waits and listens; each is told so. The executors go on. Idempotent. */
  close(): Promise<void>
}

/** What `listen()` needs of it besides. */
export interface Inside {
  readonly gate: Gate
  readonly access: Access
  readonly isOpen: boolean
  readonly sockets: Sockets
}

const insides = new WeakMap<HttpApp, Inside>()

export function insideOf(app: HttpApp): Inside | undefined {
  return insides.get(app)
}

/**
 * A service around one executor, or several.
 *
 * ```ts
 * const app = httpApp({ queues: llm, auth: { tokens: [{ name: 'web', level: 'submitter', token }] } })
 * const { url } = await listen(app, { port: 8080 })
 * ```
 * @throws {OptionsError}
 */
export function httpApp(options: HttpAppOptions): HttpApp {
  const given = readHttpOptions(options)
  const queues = new Map(
    [...given.queues].map(([name, executor]) => [
      name,
      new ServedQueue(name, executor, given.keep, given.settings.exposeErrors),
    ]),
  )
  const access = new Access(given.access)
  const gate = new Gate(given.gate)
  const history = new History(queues)
  const closing = new AbortController()
  const hub = new Hub(queues, {
    ...{ maxClients: given.maxEventClients, ringSize: given.eventRing },
    snapshot: async (of) => ({ queues: await Promise.all(of.map((queue) => snapshotOf(queue, history))) }),
    stats: async (queue) => ({
      ...{ status: await queue.recentStatus(), workers: await workersOf(queue) },
      point: history.lastOf(queue.name) ?? null,
      kept: await keptOf(queue),
    }),
  })
  let openapi: string | undefined
  const service: Service = {
    ...{ settings: given.settings, queues, access, gate, hub, history, closing: closing.signal },
    openapi: () => {
      openapi ??= JSON.stringify(openapiOf(routes, '1'))
      return openapi
    },
    audit: (entry) => {
      const { queue, id, ...more } = entry
      hub.audit(queue, id, more)
      tellAudit(given.audit, { ...entry, at: new Date().toISOString() })
    },
  }
  const buckets = given.rateLimit === undefined ? undefined : new Buckets(given.rateLimit)
  const router = new Router(routes)
  const dispatch = new Dispatch({ service, router, buckets, log: given.log })
  const sockets = new Sockets()
  const app: HttpApp = {
    fetch: async (request, connection = {}) =>
      responseOf(await dispatch.answer(new FetchExchange(request, connection)), request),
    listener: (request, response) => {
      const exchange = new NodeExchange(request as IncomingMessage, response as unknown as ServerResponse)
      void dispatch
        .answer(exchange)
        .then((answer) => answerByNode(answer, exchange, response as unknown as ServerResponse))
        .catch(() => (response as unknown as ServerResponse).destroy())
    },
    upgrade: (request, socket, head) =>
      void upgraded(service, dispatch, sockets, request as IncomingMessage, socket as Duplex, head as Buffer),
    close: async () => {
      if (closing.signal.aborted) return
      closing.abort()
      hub.close()
      history.stop()
      for (const queue of queues.values()) queue.leave()
    },
  }
  insides.set(app, { gate, access, isOpen: given.access.isOpen, sockets })
  return app
}

async function snapshotOf(queue: ServedQueue, history: History): Promise<object> {
  const { name } = queue
  const status = await queue.status()
  return {
    ...{ name, status, workers: await workersOf(queue), history: history.of(name), kept: await keptOf(queue) },
    settings: settingsOf(queue.executor) ?? null,
  }
}

const KEPT_MS = 5_000
const keptLast = new WeakMap<ServedQueue, { readonly at: number; readonly kept: Promise<object> }>()

/** How many are kept of each state: of a store at most five seconds old, since it has to be asked. */
function keptOf(queue: ServedQueue): Promise<object> {
  const now = performance.now()
  const last = keptLast.get(queue)
  if (last !== undefined && now - last.at < (queue.hasStore ? KEPT_MS : 500)) return last.kept
  const kept = queue.kept.stats().then(
    ({ minutes: _, ...counts }) => counts,
    () => ({}),
  )
  keptLast.set(queue, { at: now, kept })
  return kept
}

async function workersOf(queue: ServedQueue): Promise<readonly object[]> {
  return ((await queue.executor.getWorkerHealth?.()) ?? []).map((worker) => withTier(queue, worker))
}

function tellAudit(audit: ((entry: AuditEntry) => void) | undefined, entry: AuditEntry): void {
  try {
    audit?.(entry)
  } catch {
    // Who listens must not cost the answer.
  }
}

async function upgraded(
  { hub }: Service,
  dispatch: Dispatch,
  sockets: Sockets,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  // It may be reset while it is looked at.
  socket.on('error', () => {})
  const exchange = new NodeExchange(request, undefined)
  const call = await dispatch.upgrade(exchange)
  if ('status' in call) {
    refuse(socket, call)
    return
  }
  try {
    const last = exchange.header('last-event-id') ?? call.query.lastEventId
    sockets.accept(request, socket, head, hub.connect(filterOf(call.query), call.principal.level, last))
  } catch (error) {
    refuse(socket, answerOf(error))
  }
}

function refuse(socket: Duplex, answer: Answer): void {
  if (socket.destroyed) return
  socket.end(refusalText(answer, 'Refused'))
}

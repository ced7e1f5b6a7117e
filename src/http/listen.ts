/**
 * A port for a service. It keeps to loopback until there is a way to tell who asks.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isCount, type OptionRule, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type HttpApp, insideOf } from './app.ts'
import { isLoopback } from './gate.ts'

export interface ListenOptions {
  /**
   * 0: any that is free.
   * @default 0
   */
  readonly port?: number | undefined
  /** @default '127.0.0.1' */
  readonly host?: string | undefined
  /** How many connections there may be at once. @default 10000 */
  readonly maxConnections?: number | undefined
  /** How long the head of a request may take, in ms. @default 10000 */
  readonly headersTimeoutMs?: number | undefined
  /** How long all of a request may take to arrive, in ms. @default 30000 */
  readonly requestTimeoutMs?: number | undefined
}

/** A service that listens. */
export interface Listening {
  readonly port: number
  readonly host: string
  /** `http://127.0.0.1:8080` */
  readonly url: string
  /** Ends the service and all its connections, within a second. The executors go on. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const port: OptionRule = {
  expected: 'an integer from 0 to 65535',
  fits: (value) => isCount(value, 0) && value <= 65_535,
}
const ms: OptionRule = {
  expected: 'a number of ms from 1 to 2147483647',
  fits: (value) => typeof value === 'number' && value >= 1 && value <= 2_147_483_647,
}
const rules: { readonly [K in keyof ListenOptions]-?: OptionRule } = {
  port,
  host: { expected: 'a host name or address', fits: (value) => typeof value === 'string' && value !== '' },
  maxConnections: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  headersTimeoutMs: ms,
  requestTimeoutMs: ms,
}

/** Requests that are being answered have so long when it closes, in ms. */
const CLOSE_MS = 500
const IDLE_MS = 20

/**
 * Serves it on a port of this machine.
 * @throws {OptionsError} off loopback, unless there are tokens or `identify`, and it is not `open`
 */
export async function listen(app: HttpApp, options: ListenOptions = {}): Promise<Listening> {
  const inside = insideOf(app)
  if (inside === undefined) throw new OptionsError('app', 'what httpApp() has made', app)
  const given = readGiven<ListenOptions>('', options, rules)
  const { host = '127.0.0.1', maxConnections = 10_000, headersTimeoutMs = 10_000, requestTimeoutMs = 30_000 } = given
  if (!isLoopback(host) && (!inside.access.hasWays || inside.isOpen)) {
    throw new OptionsError('host', 'one of loopback, while there are no tokens, and while auth.open is true', host)
  }
  const server = createServer(
    {
      ...{ headersTimeout: headersTimeoutMs, requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs) },
      ...{ connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs), keepAliveTimeout: 5_000 },
      ...{ insecureHTTPParser: false, maxHeaderSize: 32_768, noDelay: true },
    },
    app.listener as Parameters<typeof createServer>[1],
  )
  server.maxConnections = maxConnections
  server.on('upgrade', app.upgrade)
  await bound(server, given.port ?? 0, host)
  const { port, address } = server.address() as AddressInfo
  inside.gate.answersTo(host)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= closeAll(server, app, inside.sockets)
    return closed
  }
  const name = address.includes(':') ? `[${address}]` : address
  return { port, host, url: `http://${name}:${port}`, close, [Symbol.asyncDispose]: close }
}

function bound(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // Thousands may come at once: more than the 511 that Node lets wait.
    server.listen({ port, host, backlog: 4_096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function closeAll(server: Server, app: HttpApp, sockets: { terminate(): void }): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  await app.close()
  // A connection is idle as soon as it has its last answer.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS)
  const timer = setTimeout(() => {
    sockets.terminate()
    server.closeAllConnections()
  }, CLOSE_MS)
  await closed
  clearInterval(idle)
  clearTimeout(timer)
}

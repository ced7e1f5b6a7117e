/**
 * A port for the service, and one for its metrics. Both are tried before anything is begun.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpApp } from '../../http/index.ts'
import { cannot, codeOf, messageOf } from '../fault.ts'

/** Can it be listened on? @throws {Fault} with what to do */
export async function requirePort(flag: string, port: number, host: string): Promise<void> {
  const server = createServer()
  await bound(server, flag, port, host)
  await closed(server)
}

export function portFault(error: unknown, flag: string, port: number, host: string): Error {
  const code = codeOf(error)
  if (code === 'EADDRINUSE')
    return cannot(`Port ${port} is in use: choose another with ${flag}; 0 takes any that is free`)
  if (code === 'EACCES')
    return cannot(`Port ${port} may not be listened on by this user: choose one from 1024 on with ${flag}`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return cannot(`${host} is no address of this machine: see --host`)
  }
  return cannot(messageOf(error))
}

async function bound(server: Server, flag: string, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(portFault(error, flag, port, host)))
    server.listen(port, host, resolve)
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** Only what a monitor asks for, and no token for it: whoever reaches this port may read it. */
export async function listenForMetrics(
  app: HttpApp,
  port: number,
  host: string,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const paths = new Set(['/metrics', '/healthz', '/readyz'])
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] as string
    if (request.method !== 'GET' || !paths.has(path)) {
      response.writeHead(404).end()
      return
    }
    app
      .fetch(new Request(`http://127.0.0.1${path}`), { remoteAddress: '127.0.0.1' })
      .then(async (answer) => {
        const body = await answer.text()
        response
          .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
          .end(body)
      })
      .catch(() => response.destroy())
  })
  await bound(server, '--metrics-port', port, host)
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) }
}

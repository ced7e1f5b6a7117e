/**
 * The events by WebSocket: a frame is a message. What a client sends is not read; `ws` answers its pings.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { EventClient } from './event-client.ts'

const PING_MS = 5_000
const MAX_UNANSWERED = 6
const MAX_MESSAGE_BYTES = 1_024

export class Sockets {
  readonly #server = new WebSocketServer({
    ...{ noServer: true, clientTracking: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES },
  })

  /** The request was let through: it is a WebSocket from now on. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, client: EventClient): void {
    // Whoever sends no key of a handshake is answered by `ws`, and never comes further.
    socket.once('close', () => client.close())
    this.#server.handleUpgrade(request, socket, head, (webSocket) => void serve(webSocket, client))
  }

  /** Those that have not gone by themselves. */
  terminate(): void {
    for (const socket of this.#server.clients) socket.terminate()
  }
}

async function serve(socket: WebSocket, client: EventClient): Promise<void> {
  let unanswered = 0
  const timer = setInterval(() => {
    if (++unanswered > MAX_UNANSWERED) socket.terminate()
    else socket.ping()
  }, PING_MS)
  socket.on('pong', () => {
    unanswered = 0
  })
  socket.on('close', () => {
    clearInterval(timer)
    client.close()
  })
  // Nobody's fault here: a frame that is none, or too large. It is closed by `ws`.
  socket.on('error', () => {})
  client.onDrop = () => socket.terminate()
  for (let items = await client.next(); items !== undefined; items = await client.next()) {
    for (const [index, { text }] of items.entries()) {
      // Only the last is waited for: they are written in order.
      if (index === items.length - 1) await sent(socket, text)
      else socket.send(text, () => {})
    }
  }
  socket.close(1001)
}

/** Fulfils when it has left for the network, whatever became of it. */
function sent(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) resolve()
    else socket.send(text, () => resolve())
  })
}

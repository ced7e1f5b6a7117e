/** Bytes on a socket, as they are. */
import { connect, type Socket } from 'node:net'

export interface RawReply {
  /** 0: it was closed without an answer. */
  readonly status: number
  readonly text: string
  /** How many bytes were written before the end. */
  readonly written: number
}

/** Writes, and reads until the other side closes, or has answered once (with `keep`). */
export function raw(port: number, bytes: string | Buffer, { keep = false } = {}): Promise<RawReply> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const done = (): void => {
      socket.destroy()
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0)
      resolve({ status, text, written: socket.bytesWritten })
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (keep && isComplete(text)) done()
    })
    socket.on('error', () => {})
    socket.on('close', done)
    socket.write(bytes)
  })
}

function isComplete(text: string): boolean {
  const at = text.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(text)?.[1]
  return at >= 0 && text.length >= at + 4 + Number(length ?? 0)
}

/** Connected. */
export function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

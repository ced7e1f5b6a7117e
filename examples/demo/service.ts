/**
 * What is overrun? An HTTP service with one thread for its work, in a process of its own.
 *
 * `GET /compress?bytes=N` compresses N bytes of text, slice after slice, in libuv's thread pool; whoever starts this file
 * sets `UV_THREADPOOL_SIZE=1`. The slices of all open requests take turns there, so a service that is overrun gets slower
 * for everyone at once, as real ones do. It drops a request whose client has left before the next slice: it is no fool,
 * but what it has done for that client is lost, and `GET /health` tells how much.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'

const SLICE_BYTES = 32 * 1024
const MAX_BYTES = 256 * 1024 * 1024
// A small window and little memory, since under overload hundreds of slices stand in line: some 25 kB each, not 270.
const SETTINGS = { level: 6, windowBits: 12, memLevel: 4 } as const

const deflate = promisify<Buffer, typeof SETTINGS, Buffer>(deflateRaw)
const text = makeText(4 * SLICE_BYTES)
const work = { active: 0, usefulBytes: 0, wastedBytes: 0 }

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const bytes = Number(url.searchParams.get('bytes'))
  if (url.pathname === '/health') answer(response, 200, work)
  else if (url.pathname !== '/compress') answer(response, 404, { error: 'there is /compress?bytes=N and /health' })
  else if (!Number.isInteger(bytes) || bytes < 1 || bytes > MAX_BYTES) {
    answer(response, 400, { error: `bytes must be an integer from 1 to ${MAX_BYTES}` })
  } else void compress(bytes, response)
})

async function compress(bytes: number, response: ServerResponse): Promise<void> {
  let done = 0
  let compressed = 0
  work.active++
  try {
    while (done < bytes && !response.destroyed) {
      const size = Math.min(SLICE_BYTES, bytes - done)
      const from = done % (text.length - SLICE_BYTES)
      compressed += (await deflate(text.subarray(from, from + size), SETTINGS)).length
      done += size
    }
    if (response.destroyed) return
    answer(response, 200, { bytes, compressed })
  } catch (error) {
    answer(response, 500, { error: String(error) })
  } finally {
    work.active--
    work[response.destroyed ? 'wastedBytes' : 'usefulBytes'] += done
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Text that compresses about as well as a log file does, always the same. */
function makeText(bytes: number): Buffer {
  const words = 'request answer deadline service slot wait urgent normal low high capacity work time refused'.split(' ')
  let state = 1
  let made = ''
  while (made.length < bytes) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    made += `${words[(state >> 8) % words.length]}${(state >> 16) % 7 === 0 ? state : ' '}`
  }
  return Buffer.from(made.slice(0, bytes))
}

// An idle connection must not be closed at the moment when a client uses it again.
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  if (process.send) process.send({ port })
  else console.log(`http://127.0.0.1:${port}`)
})

// Whoever started it decides when it ends, and it ends with him: the channel closes even when he is killed.
if (process.send) {
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit())
}

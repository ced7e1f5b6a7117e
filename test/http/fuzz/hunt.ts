/**
 * Sends mutants to a service, and says what must not have happened: an uncaught error, a 5xx that is not by design, a body that tells
 * of the inside, a service that answers no more.
 */
import { connect } from 'node:net'
import { QueuedExecutor } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { seeded } from '../../support/seeded.ts'
import { principals } from '../support/principals.ts'
import { mutant } from './mutants.ts'

export interface Findings {
  readonly sent: number
  /** By status; 0: closed without an answer. */
  readonly statuses: { readonly [status: number]: number }
  readonly broken: readonly string[]
}

const SECRET = 'told-by-the-executor /var/run/inside.sock'
/** A stack, a path, what the executor has said. */
const inside = /\n\s+at |node:internal|node_modules|\/src\/|told-by-the-executor|inside\.sock/
/** Who sends half a request waits so long for the end of it. */
const PATIENCE_MS = 300
const AT_ONCE = 64

export async function hunt(count: number, seed: number): Promise<Findings> {
  const run = async (request: unknown) => {
    if (Math.random() < 0.5) throw new Error(SECRET)
    return request
  }
  const queue = new QueuedExecutor(run, { name: 'llm', concurrency: 4 })
  const app = httpApp({ queues: queue, auth: { tokens: principals }, maxEventClients: 1_000 })
  const service = await listen(app, { headersTimeoutMs: 1_000, requestTimeoutMs: 1_000 })
  const broken: string[] = []
  const uncaught = (error: unknown): void => void broken.push(`uncaught: ${String(error)}`)
  process.on('uncaughtException', uncaught)
  process.on('unhandledRejection', uncaught)
  const statuses: Record<number, number> = {}
  const random = seeded(seed)
  let sent = 0
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent++
      const bytes = mutant(random)
      const text = await answerTo(service.port, bytes)
      for (const status of [Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)]) {
        statuses[status] = (statuses[status] ?? 0) + 1
        const isByDesign = status < 500 || [502, 503, 504].includes(status)
        if (!isByDesign || inside.test(text))
          broken.push(`${status} for ${JSON.stringify(bytes.toString('latin1'))}: ${text}`)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const last = await fetch(`${service.url}/healthz`)
  if (last.status !== 200) broken.push(`after all, /healthz is ${last.status}`)
  await service.close()
  await queue.close({ drain: false, graceMs: 0 })
  process.off('uncaughtException', uncaught)
  process.off('unhandledRejection', uncaught)
  return { sent, statuses, broken }
}

function answerTo(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    const timer = setTimeout(done, PATIENCE_MS)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      // A stream has no end: what came first is enough.
      if (text.length > 65_536) done()
    })
    socket.on('error', () => {})
    socket.on('close', done)
    socket.write(bytes)
  })
}

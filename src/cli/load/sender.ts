/**
 * One request: sent, and waited for until it has ended. A connection is kept for the next one; there are as many as are needed.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, Agent as SecureAgent } from 'node:https'
import { isPlain } from '../../core/checks.ts'
import type { Priority } from '../../core/priority.ts'
import { codeOf } from '../fault.ts'

/** Where it is sent to: a queue of a service, or any address that takes a POST. */
export interface Target {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly isQueue: boolean
  readonly timeoutMs: number
}

/** How it has ended: `'done'`, or the code of what refused it or failed. */
export interface SentEnd {
  readonly ok: boolean
  readonly code: string
}

interface Reply {
  readonly status: number
  readonly location: string | undefined
  readonly text: string
}

/** The longest that a service waits by itself. */
const WAIT_SECONDS = 60
const TRIES = 4

export class Sender {
  readonly #target: Target
  readonly #agent: Agent

  constructor(target: Target) {
    this.#target = target
    // Node closes what has been idle for 5 s.
    const options = {
      keepAlive: true,
      maxSockets: Number.POSITIVE_INFINITY,
      maxFreeSockets: 65_536,
      scheduling: 'lifo' as const,
    }
    this.#agent = target.url.protocol === 'https:' ? new SecureAgent(options) : new Agent(options)
  }

  async send(key: string, priority: Priority, body: string): Promise<SentEnd> {
    const { isQueue, timeoutMs } = this.#target
    const until = performance.now() + timeoutMs
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(body)}`,
      ...(isQueue && { 'idempotency-key': key, 'triage-priority': priority, prefer: `wait=${WAIT_SECONDS}` }),
    }
    try {
      let reply = await this.#ask('POST', this.#target.url, headers, body, until)
      // It was admitted, and takes longer than a service waits.
      while (isQueue && reply.status === 202 && reply.location !== undefined) {
        const found = new URL(reply.location, this.#target.url)
        const next = await this.#ask('GET', found, { prefer: `wait=${WAIT_SECONDS}` }, undefined, until)
        if (next.status !== 200) return { ok: false, code: codeIn(next) }
        const record = JSON.parse(next.text) as { state: string; error?: { code?: string } }
        if (record.state === 'completed') return { ok: true, code: 'done' }
        if (record.error !== undefined || /failed|expired|cancelled|shed|dead|parked/.test(record.state)) {
          return { ok: false, code: record.error?.code ?? record.state }
        }
        reply = { ...next, status: 202, location: reply.location }
      }
      return reply.status < 300 ? { ok: true, code: 'done' } : { ok: false, code: codeIn(reply) }
    } catch (error) {
      return { ok: false, code: codeOf(error) ?? 'ERROR' }
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  /**
   * Once more where a connection is cut: one that was kept, and was closed meanwhile; or, of a queue, whose key makes it the same
   * request, any. Its latency goes on.
   */
  async #ask(
    method: string,
    url: URL,
    headers: Record<string, string>,
    body: string | undefined,
    until: number,
  ): Promise<Reply> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(method, url, headers, body, until)
      } catch (error) {
        if (attempt === TRIES || (error as { isSafe?: boolean }).isSafe !== true) throw error
      }
    }
  }

  #once(
    method: string,
    url: URL,
    headers: Record<string, string>,
    body: string | undefined,
    until: number,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const make = url.protocol === 'https:' ? httpsRequest : httpRequest
      const request = make(url, { method, agent: this.#agent, headers: { ...this.#target.headers, ...headers } })
      const timer = setTimeout(
        () => request.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })),
        until - performance.now(),
      )
      const failed = (error: Error): void => {
        clearTimeout(timer)
        const isReset = codeOf(error) === 'ECONNRESET' || codeOf(error) === 'EPIPE'
        reject(Object.assign(error, { isSafe: isReset && (request.reusedSocket || this.#target.isQueue) }))
      }
      request.on('error', failed)
      request.on('response', (response: IncomingMessage) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', failed)
        response.on('end', () => {
          clearTimeout(timer)
          resolve({ status: response.statusCode as number, location: response.headers.location, text })
        })
      })
      request.end(body)
    })
  }
}

/** The code of a problem, else the status. */
function codeIn({ status, text }: Reply): string {
  try {
    const problem = JSON.parse(text) as unknown
    if (isPlain(problem) && typeof problem.code === 'string') return problem.code
  } catch {
    // It is no problem, then.
  }
  return `HTTP ${status}`
}

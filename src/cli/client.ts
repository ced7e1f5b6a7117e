/**
 * A service from outside: one call, and what it says when it can't be reached or will not.
 */
import { environment } from '../core/environment.ts'
import { optional } from './command.ts'
import { cannot, codeOf, type Fault, messageOf, usage } from './fault.ts'
import { textIn } from './file.ts'
import { text, url } from './parse.ts'

/** Of each command that asks a service. */
export const clientFlags = {
  url: optional('--url <url>', 'the service (default http://127.0.0.1:8080)', url),
  tokenFile: optional('--token-file <file>', 'the token, in a file (default: TRIAGE_CLI_TOKEN)', text),
  queue: optional('--queue <name>', 'the queue (default: the first of the service)', text),
}

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly text: string
}

export class Client {
  readonly base: string
  readonly token: string | undefined

  /** @throws {Fault} when there is no such file */
  constructor(base: URL | undefined, tokenFile: string | undefined) {
    this.base = (base ?? usualService()).href.replace(/\/+$/, '')
    this.token = tokenFile === undefined ? environment('TRIAGE_CLI_TOKEN') || undefined : tokenOf(tokenFile)
  }

  headers(): Record<string, string> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }
  }

  /** @throws {Fault} when it can't be reached, or when who asks may not */
  async ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    let response: Response
    let answer: string
    try {
      response = await fetch(this.base + path, {
        method,
        headers: { ...this.headers(), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      answer = await response.text()
    } catch (error) {
      throw this.unreachable(error)
    }
    if (response.status === 401) {
      throw cannot(
        `${this.base} does not know ${this.token === undefined ? 'who asks: TRIAGE_CLI_TOKEN or --token-file' : 'this token'}`,
      )
    }
    if (response.status === 403) throw cannot(`${this.base}: the token does not grant that`)
    let parsed: unknown
    try {
      parsed = JSON.parse(answer)
    } catch {
      // Not every answer is JSON.
    }
    return { status: response.status, body: parsed, text: answer }
  }

  unreachable(error: unknown): Fault {
    const cause = (error as { cause?: unknown }).cause ?? error
    const why = codeOf(cause) === 'ECONNREFUSED' ? 'nobody listens there' : messageOf(cause)
    return cannot(`${this.base} can't be reached: ${why}`)
  }

  /** The queue that was named, or the first one. @param hint what else the address may be @throws {Fault} */
  async queue(named: string | undefined, hint = ''): Promise<string> {
    const { status, body } = await this.ask('GET', '/v1/queues')
    const queues = (body as { queues?: readonly { name: string }[] } | undefined)?.queues
    if (status !== 200 || queues === undefined)
      throw cannot(`${this.base} is no service of triage-queue: HTTP ${status}${hint}`)
    const names = queues.map(({ name }) => name)
    if (named === undefined) return names[0] as string
    if (names.includes(named)) return named
    throw cannot(`${this.base} has no queue ${named}: it has ${names.join(', ')}`)
  }
}

/** Where nobody says another. @throws {Fault} */
function usualService(): URL {
  const set = environment('TRIAGE_CLI_URL')
  if (set === undefined || set === '') return new URL('http://127.0.0.1:8080')
  try {
    return url(set)
  } catch (error) {
    throw usage(`TRIAGE_CLI_URL: ${messageOf(error)}, got ${JSON.stringify(set)}`)
  }
}

/** A service as an argument. @throws {Fault} */
export function serviceOf(given: string | undefined): URL {
  if (given === undefined) return usualService()
  try {
    return url(given)
  } catch (error) {
    throw usage(`The service: ${messageOf(error)}, got ${JSON.stringify(given)}`)
  }
}

/** A token alone, or the last word of the first line. */
function tokenOf(file: string): string {
  const line = textIn(file, '--token-file')
    .split('\n')
    .find((each) => each.trim() !== '' && !each.startsWith('#'))
  const token = line?.trim().split(/\s+/).at(-1)
  if (token === undefined) throw cannot(`${file} has no token in it`)
  return token
}

/**
 * May it come to the routes at all? What is refused before anybody is asked who they are.
 *
 * Against DNS rebinding, `Host` must be one of those that the service answers to. Against pages of other origins, `Origin` must be
 * the service's own and `Sec-Fetch-Site` must not say otherwise; a change that a browser's cookie allows must say so itself. A body
 * must be JSON, which no form can send. No header makes one method of another.
 */
import { isByCookie } from './access.ts'
import type { Exchange } from './exchange.ts'
import { HttpProblem } from './problem.ts'

export interface GateParts {
  /** In lower case, without a port; undefined: any. */
  readonly hosts: ReadonlySet<string> | undefined
  /** Besides its own. */
  readonly origins: ReadonlySet<string>
  readonly trustProxy: boolean
}

/** What is known of where it comes from, and how it names us. */
export interface Came {
  /** As a client has it: behind a proxy that is trusted, the one that the proxy was asked for. */
  readonly host: string
  readonly address: string | undefined
  /** From this very machine, and through no proxy. */
  readonly isLocal: boolean
  readonly isEncrypted: boolean
}

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const overrides = ['x-http-method-override', 'x-http-method', 'x-method-override']
const forwarding = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

export class Gate {
  readonly #parts: GateParts
  /** Those that it is bound to. */
  readonly #bound = new Set<string>(loopbackNames)

  constructor(parts: GateParts) {
    this.#parts = parts
  }

  /** It listens there. */
  answersTo(host: string): void {
    this.#bound.add(nameOf(host.includes(':') && !host.startsWith('[') ? `[${host}]` : host))
  }

  came(exchange: Exchange): Came {
    const { trustProxy } = this.#parts
    const forwardedFor = trustProxy ? exchange.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined
    const address = forwardedFor ?? exchange.peer
    const isForwarded = forwarding.some((name) => exchange.header(name) !== undefined)
    return {
      host: (trustProxy ? exchange.header('x-forwarded-host') : undefined) ?? exchange.header('host') ?? '',
      address,
      isLocal: isLoopback(exchange.peer) && !isForwarded,
      isEncrypted:
        exchange.isEncrypted || (trustProxy && exchange.header('x-forwarded-proto')?.trim().toLowerCase() === 'https'),
    }
  }

  /** @throws {HttpProblem} */
  check(exchange: Exchange, came: Came, isDocument: boolean): void {
    if (!this.#isKnown(came.host, exchange.local)) throw new HttpProblem(421, 'UNKNOWN_HOST')
    for (const name of overrides) if (exchange.header(name) !== undefined) throw new HttpProblem(400, 'METHOD_OVERRIDE')
    this.#checkOrigin(exchange, came, isDocument)
    // What a look brings along is not read.
    if (exchange.method === 'GET' || exchange.method === 'HEAD') return
    const type = exchange.header('content-type')
    if (type === undefined ? exchange.hasBody : !isJson(type)) throw new HttpProblem(415, 'UNSUPPORTED_MEDIA_TYPE')
  }

  #isKnown(host: string, local: string | undefined): boolean {
    const { hosts } = this.#parts
    if (!/^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(host)) return false
    if (hosts === undefined) return true
    const name = nameOf(host)
    // An address can't be bound to another one behind a page's back, as a name can.
    return hosts.has(name) || this.#bound.has(name) || (local !== undefined && name === addressName(local))
  }

  #checkOrigin(exchange: Exchange, { host, isEncrypted }: Came, isDocument: boolean): void {
    const origin = exchange.header('origin')
    const own = `${isEncrypted ? 'https' : 'http'}://${host}`.toLowerCase()
    const isOwn =
      origin !== undefined && (origin.toLowerCase() === own || this.#parts.origins.has(origin.toLowerCase()))
    if (origin !== undefined && !isOwn) throw new HttpProblem(403, 'CROSS_ORIGIN')
    const site = exchange.header('sec-fetch-site')
    const isNavigation = isDocument && exchange.method === 'GET' && exchange.header('sec-fetch-mode') === 'navigate'
    const isSame = site === 'same-origin' || site === 'none'
    if (site !== undefined && !isSame && !isOwn && !isNavigation) throw new HttpProblem(403, 'CROSS_ORIGIN')
    // Scripts have a token. A browser that says nothing of where a change comes from is too old to be believed.
    const isChange = exchange.method !== 'GET' && exchange.method !== 'HEAD'
    if (isChange && !isOwn && !isSame && isByCookie(exchange)) throw new HttpProblem(403, 'CROSS_ORIGIN')
  }
}

/** Is it this machine itself? */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  return /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(address) || address === '::1' || address === 'localhost'
}

function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
}

function addressName(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d)/i, '').toLowerCase()
  return plain.includes(':') ? `[${plain}]` : plain
}

function isJson(type: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\s*(?:;.*)?$/i.test(type.trim())
}

/**
 * Who asks, and what may they do? A principal has a level; every route needs one.
 *
 *     viewer < submitter < operator < admin
 *
 * Tokens are compared as their SHA-256, all of them each time and in constant time, so that nothing is learnt from how long it
 * takes.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Exchange } from './exchange.ts'
import { HttpProblem } from './problem.ts'

/** From the least to the most: each may do what the ones before it may. */
export const levels = ['viewer', 'submitter', 'operator', 'admin'] as const

export type Level = (typeof levels)[number]

/** Who asks. */
export interface Principal {
  /** Letters, digits, `.`, `_`, `@` and `-`, at most 64: it stands in front of the ids of its requests. */
  readonly name: string
  readonly level: Level
}

export interface Token extends Principal {
  /** At least 16 characters. */
  readonly token: string
}

/** What a function of yours is given to tell who asks. */
export interface RequestFacts {
  readonly method: string
  readonly path: string
  header(name: string): string | undefined
  /** The address of the client: behind a proxy, with `trustProxy`, the one that the proxy names. */
  readonly address: string | undefined
}

/** What settles who asks. */
export interface AccessParts {
  readonly tokens: readonly Token[]
  readonly identify: ((facts: RequestFacts) => Principal | undefined | Promise<Principal | undefined>) | undefined
  readonly isOpen: boolean
  readonly sessionMs: number
}

export const namePattern = /^[\w.@-]{1,64}$/

/** Who has no token, on loopback. */
const nobody: Principal = Object.freeze({ name: 'anonymous', level: 'viewer' })
const anybody: Principal = Object.freeze({ name: 'anonymous', level: 'submitter' })

const MAX_SESSIONS = 1_000
const COOKIE = 'triage_session'

export class Access {
  readonly #parts: AccessParts
  readonly #tokens: readonly (readonly [digest: Buffer, principal: Principal])[]
  /** By the digest of the cookie, the oldest first. */
  readonly #sessions = new Map<string, { readonly principal: Principal; readonly until: number }>()

  constructor(parts: AccessParts) {
    this.#parts = parts
    this.#tokens = parts.tokens.map(({ token, name, level }) => [digestOf(token), { name, level }])
  }

  /** Can anyone be told from anyone else? If not, it is for loopback alone. */
  get hasWays(): boolean {
    return this.#tokens.length > 0 || this.#parts.identify !== undefined
  }

  /**
   * Who asks; undefined: nobody that is known.
   * @throws {HttpProblem} 401 for a token or a session that is not known
   */
  async principalOf(exchange: Exchange, facts: RequestFacts, isLocal: boolean): Promise<Principal | undefined> {
    const authorization = exchange.header('authorization')
    if (authorization !== undefined) {
      const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1]
      const principal = token === undefined ? undefined : this.byToken(token)
      if (principal !== undefined) return principal
      // Another scheme may be the function's own.
      const other = await this.#identified(facts)
      if (other === undefined) throw unauthorized()
      return other
    }
    const cookie = cookieOf(exchange.header('cookie'))
    if (cookie !== undefined) {
      const session = this.#sessions.get(digestOf(cookie).toString('base64'))
      if (session !== undefined && session.until > Date.now()) return session.principal
    }
    const principal = await this.#identified(facts)
    if (principal !== undefined) return principal
    if (!isLocal) return undefined
    return this.#parts.isOpen ? anybody : nobody
  }

  /** In constant time: all are looked at. */
  byToken(token: string): Principal | undefined {
    const digest = digestOf(token)
    let found: Principal | undefined
    for (const [known, principal] of this.#tokens) if (timingSafeEqual(digest, known)) found = principal
    return found
  }

  async #identified(facts: RequestFacts): Promise<Principal | undefined> {
    let principal: Principal | undefined
    try {
      principal = await this.#parts.identify?.(facts)
    } catch (error) {
      throw Object.assign(new HttpProblem(503, 'AUTH_UNAVAILABLE'), { cause: error })
    }
    if (principal === undefined || principal === null) return undefined
    if (!namePattern.test(principal.name) || !levels.includes(principal.level)) return undefined
    return { name: principal.name, level: principal.level }
  }

  /** A session for whoever holds a token: the cookie, to be set. */
  open(principal: Principal, path: string, isEncrypted: boolean): string {
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size < MAX_SESSIONS) break
      this.#sessions.delete(oldest)
    }
    const id = randomBytes(32).toString('base64url')
    const { sessionMs } = this.#parts
    this.#sessions.set(digestOf(id).toString('base64'), { principal, until: Date.now() + sessionMs })
    return cookieText(id, path, Math.floor(sessionMs / 1_000), isEncrypted)
  }

  /** Ends the session of a cookie, if there is one. */
  end(exchange: Exchange, path: string): string {
    const cookie = cookieOf(exchange.header('cookie'))
    if (cookie !== undefined) this.#sessions.delete(digestOf(cookie).toString('base64'))
    return cookieText('', path, 0, exchange.isEncrypted)
  }

  get sessions(): number {
    return this.#sessions.size
  }
}

export function isAtLeast(level: Level, least: Level): boolean {
  return levels.indexOf(level) >= levels.indexOf(least)
}

/** Whose request is it, by its id? Undefined: nobody's here. */
export function ownerOf(id: string): string | undefined {
  const at = id.indexOf('~')
  return at < 0 ? undefined : id.slice(0, at)
}

export function unauthorized(): HttpProblem {
  return new HttpProblem(401, 'UNAUTHORIZED', undefined, { headers: { 'www-authenticate': 'Bearer' } })
}

/** Does it come with the cookie alone, so that a browser may have sent it unasked? */
export function isByCookie(exchange: Exchange): boolean {
  return exchange.header('authorization') === undefined && cookieOf(exchange.header('cookie')) !== undefined
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

function cookieOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /(?:^|;\s*)triage_session=([\w-]{20,64})(?:;|$)/.exec(header)?.[1]
}

function cookieText(value: string, path: string, seconds: number, isEncrypted: boolean): string {
  const secure = isEncrypted ? '; Secure' : ''
  return `${COOKIE}=${value}; Path=${path || '/'}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`
}

/**
 * What becomes of one HTTP request? In this order: its route, the gate, who asks, how often, what it brings; then its handler.
 *
 * Nothing is thrown out of here: whatever goes wrong is an answer.
 */
import { randomBytes } from 'node:crypto'
import { isTriageError } from '../core/any-triage-error.ts'
import { isAtLeast, type Principal, unauthorized } from './access.ts'
import type { Buckets } from './buckets.ts'
import type { Answer, Exchange } from './exchange.ts'
import type { Came } from './gate.ts'
import type { AccessLine } from './options.ts'
import { answerOf, HttpProblem } from './problem.ts'
import type { Call, Route } from './route.ts'
import { queryOf, type Router, targetOf } from './router.ts'
import type { Service } from './service.ts'
import { parsed, parsedJson } from './shapes.ts'

export interface DispatchParts {
  readonly service: Service
  readonly router: Router
  /** For each principal; undefined: as often as they like. */
  readonly buckets: Buckets | undefined
  readonly log: ((line: AccessLine) => void) | undefined
}

/** What is known of a request when it is answered, however far it came. */
interface Progress {
  path: string
  route: Route | undefined
  principal: Principal | undefined
  queue: string | undefined
  id: string | undefined
  headers: Record<string, string>
  error?: unknown
}

const anonymous: Principal = Object.freeze({ name: 'anonymous', level: 'viewer' })

const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}
const ofDocuments = {
  ...always,
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
}

export class Dispatch {
  readonly #parts: DispatchParts

  constructor(parts: DispatchParts) {
    this.#parts = parts
  }

  /** Never rejects. */
  async answer(exchange: Exchange): Promise<Answer> {
    const began = performance.now()
    const progress: Progress = {
      ...{ path: '', route: undefined, principal: undefined, queue: undefined, id: undefined },
      headers: {},
    }
    const trace = traceOf(exchange.header('traceparent'))
    let answer: Answer
    try {
      const call = await this.#checked(exchange, progress)
      answer = await (progress.route as Route).handle(call)
    } catch (error) {
      progress.error = error
      answer = answerOf(error, this.#parts.service.settings.exposeErrors && progress.principal !== undefined)
    }
    const shown = progress.route?.isDocument === true ? ofDocuments : always
    const headers = { ...shown, ...progress.headers, ...trace?.header, ...answer.headers }
    this.#tell(exchange, progress, answer.status, performance.now() - began, trace?.id)
    return { ...answer, headers }
  }

  /** A request for an upgrade that may have one, or the answer that refuses it. */
  async upgrade(exchange: Exchange): Promise<Call | Answer> {
    const progress: Progress = {
      ...{ path: '', route: undefined, principal: undefined, queue: undefined, id: undefined },
      headers: {},
    }
    try {
      const call = await this.#checked(exchange, progress)
      if (progress.route?.path === '/v1/ws') return call
      throw new HttpProblem(404, 'NOT_FOUND')
    } catch (error) {
      return answerOf(error)
    }
  }

  /** @throws {HttpProblem} */
  async #checked(exchange: Exchange, progress: Progress): Promise<Call> {
    const { service, router } = this.#parts
    const { path, search } = targetOf(exchange.target, service.settings.basePath)
    progress.path = path
    const came = service.gate.came(exchange)
    // What a probe asks need not name us, and says nothing.
    if (path !== '/healthz' && path !== '/readyz') service.gate.check(exchange, came, path === '/')
    const found = router.find(exchange.method, path)
    const { route } = found
    progress.route = route
    const principal = await this.#principal(exchange, came, path, route, progress)
    const params = route.params === undefined ? {} : parsed(route.params, found.path, 'path')
    progress.queue = (params as { queue?: string }).queue
    progress.id = (params as { id?: string }).id
    const query = route.query === undefined ? {} : parsed(route.query, queryOf(search), 'query')
    const body = await this.#body(exchange, route)
    return {
      ...{ service, exchange, came, principal, body },
      path: params as Call['path'],
      query: query as Call['query'],
    }
  }

  async #principal(exchange: Exchange, came: Came, path: string, route: Route, progress: Progress): Promise<Principal> {
    const { service, buckets } = this.#parts
    if (route.level === 'none' && route.action === undefined) return anonymous
    let principal: Principal | undefined
    if (route.level !== 'none') {
      const facts = {
        method: exchange.method,
        path,
        address: came.address,
        header: (name: string) => exchange.header(name),
      }
      principal = await service.access.principalOf(exchange, facts, came.isLocal)
    }
    progress.principal = principal
    this.#rate(buckets, principal ?? anonymous, progress)
    if (route.level === 'none') return principal ?? anonymous
    if (principal === undefined) throw unauthorized()
    if (isAtLeast(principal.level, route.level)) return principal
    // Whoever has shown no token may have one.
    throw principal.name === 'anonymous' ? unauthorized() : new HttpProblem(403, 'FORBIDDEN')
  }

  /** @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
  #rate(buckets: Buckets | undefined, { name }: Principal, progress: Progress): void {
    if (buckets === undefined) return
    const { perSecond, burst } = buckets.rate
    const { isGranted, remaining, nextMs } = buckets.take(name)
    progress.headers = {
      'ratelimit-policy': `"principal";q=${Math.floor(burst)};w=${Math.max(Math.ceil(burst / perSecond), 1)}`,
      ratelimit: `"principal";r=${remaining};t=${Math.ceil(nextMs / 1_000)}`,
    }
    if (!isGranted) throw tooMany(nextMs)
  }

  async #body(exchange: Exchange, { body, method }: Route): Promise<unknown> {
    if (!exchange.hasBody || method === 'GET') {
      if (body === undefined) return undefined
      throw new HttpProblem(400, 'INVALID', undefined, { issues: [{ in: 'body', message: 'expected JSON' }] })
    }
    const { maxBodyBytes, bodyTimeoutMs } = this.#parts.service.settings
    const text = await exchange.text(maxBodyBytes, bodyTimeoutMs)
    if (body === undefined) return undefined
    return parsed(body, parsedJson(text, 'body'), 'body')
  }

  #tell(exchange: Exchange, progress: Progress, status: number, ms: number, traceId: string | undefined): void {
    const { service, log } = this.#parts
    const { path, route, principal, queue, id } = progress
    const { method } = exchange
    if (route?.action !== undefined && route.action !== 'submit') {
      const { name, level } = principal ?? { name: 'anonymous', level: 'none' }
      service.audit({ principal: name, level, action: route.action, queue, id, status })
    }
    if (log === undefined) return
    try {
      log({
        method,
        path,
        route: route?.path,
        status,
        ms: Math.round(ms * 10) / 10,
        principal: principal?.name,
        traceId,
        error: status >= 500 ? causeOf(progress.error) : undefined,
      })
    } catch {
      // A logger that fails must not cost the answer.
    }
  }
}

/** What an operator wants to know of an answer that is no refusal by design. */
function causeOf(error: unknown): unknown {
  if (error instanceof HttpProblem) return error.cause
  return isTriageError(error) ? undefined : error
}

function tooMany(ms: number): HttpProblem {
  const retryAfterMs = Math.ceil(ms)
  const headers = { 'retry-after': `${Math.max(Math.ceil(ms / 1_000), 1)}` }
  return new HttpProblem(429, 'TOO_MANY_REQUESTS', undefined, { retryAfterMs, headers })
}

/** The trace goes on in the answer. @see https://www.w3.org/TR/trace-context/ */
function traceOf(
  header: string | undefined,
): { readonly id: string; readonly header: Record<string, string> } | undefined {
  const [, id, flags] = /^00-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-([\da-f]{2})$/.exec(header ?? '') ?? []
  if (id === undefined) return undefined
  return { id, header: { traceparent: `00-${id}-${randomBytes(8).toString('hex')}-${flags}` } }
}

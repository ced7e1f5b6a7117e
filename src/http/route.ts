/**
 * What is a route? One entry of the table that is router, access, validation and OpenAPI at once.
 */
import type { Level, Principal } from './access.ts'
import type { Answer, Exchange } from './exchange.ts'
import type { Came } from './gate.ts'
import { HttpProblem } from './problem.ts'
import type { ServedQueue } from './served-queue.ts'
import type { Service } from './service.ts'
import type { Shape } from './shapes.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** One call of a route: all that was checked. */
export interface Call {
  readonly service: Service
  readonly exchange: Exchange
  readonly came: Came
  /** Of a route that needs no level, `anonymous`. */
  readonly principal: Principal
  readonly path: { readonly [name: string]: string }
  readonly query: { readonly [name: string]: string | undefined }
  /** What its shape has let through. */
  readonly body: unknown
}

export interface Route {
  readonly method: Method
  /** `:name` stands for one segment. */
  readonly path: string
  /** The least that may ask; `'none'`: anyone, from anywhere. */
  readonly level: Level | 'none'
  /** A sentence, for the reference and for OpenAPI. */
  readonly summary: string
  readonly tag: 'requests' | 'queues' | 'events' | 'service' | 'aliases'
  readonly params?: Shape
  readonly query?: Shape
  readonly body?: Shape
  /** The headers that it reads, with what each means. */
  readonly headers?: { readonly [name: string]: string }
  /** What it answers when all is well, and what is particular to it. */
  readonly answers: { readonly [status: number]: string }
  /** It changes something: the word for `audit`. */
  readonly action?: string
  /** Browsers may come to it by a link. */
  readonly isDocument?: boolean
  /** Its answer is a stream, which HEAD must not open. */
  readonly isStream?: boolean
  handle(call: Call): Answer | Promise<Answer>
}

/** @throws {HttpProblem} 404 */
export function queueOf({ service, path }: Call): ServedQueue {
  const queue = service.queues.get(path.queue as string)
  if (queue === undefined) throw new HttpProblem(404, 'NOT_FOUND')
  return queue
}

/** The generation that `If-Match` names: `"7"`. Undefined: none, or any (`*`). @throws {HttpProblem} 400 */
export function generationOf({ exchange }: Call): number | undefined {
  const header = exchange.header('if-match')?.trim()
  if (header === undefined || header === '*') return undefined
  const generation = /^(?:W\/)?"?(\d{1,15})"?$/.exec(header)?.[1]
  if (generation !== undefined) return Number(generation)
  throw new HttpProblem(400, 'INVALID', undefined, {
    issues: [{ in: 'header.if-match', message: 'expected a generation in quotes' }],
  })
}

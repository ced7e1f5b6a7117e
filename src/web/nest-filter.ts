/**
 * How does Nest tell them? Its own filter knows the status of our errors, but sends no headers: this one sends both, on
 * Express and on Fastify.
 */
import { isTriageError } from '../core/any-triage-error.ts'
import type { TriageError } from '../core/triage-error.ts'
import { toProblem } from './to-problem.ts'

/** What it needs of Nest's ArgumentsHost. */
export interface NestHost {
  getType(): string
  switchToHttp(): { getResponse(): unknown }
}

/** Nest's ExceptionFilter. */
export interface NestFilter {
  catch(error: TriageError, host: NestHost): void
}

/** Express's response, and Fastify's reply. */
interface Reply {
  readonly raw?: Raw
  status(status: number): Reply
  header(name: string, value: string): Reply
  send(body: object): unknown
}

interface Raw {
  readonly headersSent: boolean
  end(): void
}

/** Nest reads by `instanceof` which errors a filter is for: ours, of whichever copy of the package. */
const anyTriageError = { [Symbol.hasInstance]: isTriageError }

/**
 * A filter for our errors alone, which answers with a problem of RFC 9457 and with Retry-After:
 * `app.useGlobalFilters(nestFilter())`. Where it is no HTTP request it throws them on.
 * @see https://docs.nestjs.com/exception-filters
 */
export function nestFilter(): NestFilter {
  class TriageFilter implements NestFilter {
    catch(error: TriageError, host: NestHost): void {
      if (host.getType() !== 'http') throw error
      const reply = host.switchToHttp().getResponse() as Reply
      const raw = reply.raw ?? (reply as unknown as Raw)
      if (raw.headersSent) raw.end()
      else send(reply, error)
    }
  }
  // What Nest's `@Catch(…)` does. Whoever has Nest has reflect-metadata.
  const { defineMetadata } = Reflect as unknown as { defineMetadata(key: string, value: unknown, on: object): void }
  for (const on of [TriageFilter, TriageFilter.prototype]) {
    defineMetadata('__filterCatchExceptions__', [anyTriageError], on)
  }
  return new TriageFilter()
}

function send(reply: Reply, error: TriageError): void {
  const problem = toProblem(error)
  for (const [name, value] of Object.entries(error.headers)) reply.header(name, value)
  reply.status(problem.status).header('content-type', 'application/problem+json').send(problem)
}

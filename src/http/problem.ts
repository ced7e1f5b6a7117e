/**
 * What does a refusal say? A problem of RFC 9457, with a code to match on; never a stack, a path or what the executor has said.
 */
import { isTriageError } from '../core/any-triage-error.ts'
import { CancelledError, OptionsError } from '../core/errors.ts'
import { RunFailedError } from '../core/remote-errors.ts'
import { toProblem } from '../web/to-problem.ts'
import type { Answer } from './exchange.ts'

/** One thing that is wrong with a request, and where: `body.priority`. */
interface Issue {
  readonly in: string
  readonly message: string
}

interface ProblemDetails {
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly issues?: readonly Issue[]
  readonly retryAfterMs?: number
}

/** An answer that is thrown: a refusal of the service itself, before or beside what an executor says. */
export class HttpProblem extends Error {
  readonly status: number
  readonly code: string
  readonly details: ProblemDetails

  constructor(status: number, code: string, detail?: string, more: Omit<ProblemDetails, 'detail'> = {}) {
    super(code)
    this.status = status
    this.code = code
    this.details = detail === undefined ? more : { detail, ...more }
  }
}

/** The codes of the service's own refusals, with what each means: for the reference of routes. */
export const problemCodes = {
  BAD_REQUEST: 'The request line, a header or the URL can not be read.',
  INVALID: 'A parameter, a header or the body is not what it must be; `issues` says which.',
  METHOD_OVERRIDE: 'A header asks for another method. None is taken for another here.',
  UNAUTHORIZED: 'There is no token, or one that is not known.',
  FORBIDDEN: 'Who asks has not the level that it needs.',
  AUTH_UNAVAILABLE: 'Who asks can not be found out: the function that tells it has failed.',
  CROSS_ORIGIN: 'A page of another origin asks.',
  NOT_FOUND: 'There is no such route, queue or request, or it is not kept any more.',
  METHOD_NOT_ALLOWED: 'The route has other methods: `Allow` names them.',
  TIMEOUT: 'The body did not come in time.',
  ENDED: 'It has ended already.',
  NOT_WAITING: 'It waits no more, or that priority has a bound that is reached.',
  NOT_DEAD: 'It is no dead letter, or a request with its id lives.',
  STALE: '`If-Match` names another generation than the one that is here.',
  MATCH_REQUIRED: '`If-Match` must name the generation that was seen.',
  PAYLOAD_TOO_LARGE: 'The body has more bytes than are taken.',
  UNSUPPORTED_MEDIA_TYPE: 'The body is not `application/json`.',
  UNKNOWN_HOST: 'The `Host` is none of those that this service answers to.',
  HEADER_TOO_LARGE: 'A header has more bytes than are taken.',
  TOO_MANY_REQUESTS: 'The bucket of who asks is empty: `Retry-After`.',
  TOO_MANY_CLIENTS: 'As many listen to the events as may.',
  CLOSING: 'The service is about to close.',
  NOT_OFFERED: 'The executor behind it can not do this.',
} as const

/** @param exposeErrors what the executor has said of itself is shown, too */
export function answerOf(error: unknown, exposeErrors = false): Answer {
  if (error instanceof HttpProblem) {
    const { status, code, details } = error
    const { detail, issues, retryAfterMs, headers } = details
    const means = detail ?? problemCodes[code as keyof typeof problemCodes]
    return problemAnswer({ ...toProblem({ status }), code, detail: means, issues, retryAfterMs }, headers)
  }
  if (!isTriageError(error)) return problemAnswer({ ...toProblem({ status: 500 }) })
  const problem = toProblem(error)
  const message = exposeErrors && error.code === 'TRIAGE_RUN_FAILED' ? causeOf(error) : undefined
  const isPrivate = error.code === 'TRIAGE_RUN_FAILED' || error.code.startsWith('TRIAGE_STORE')
  const detail = message ?? (isPrivate ? undefined : problem.detail)
  const { reason } = error as { reason?: unknown }
  const more = error.code === 'TRIAGE_DUPLICATE_REQUEST' ? { reason } : {}
  return problemAnswer({ ...problem, detail, started: error.started, ...more }, error.headers)
}

function causeOf({ cause }: { readonly cause?: unknown }): string | undefined {
  try {
    return cause instanceof Error ? `${cause.name}: ${cause.message}` : undefined
  } catch {
    return undefined
  }
}

function problemAnswer(
  problem: { readonly status: number; readonly [member: string]: unknown },
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status: problem.status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
    body: JSON.stringify(problem),
  }
}

/**
 * What has become of a run, as HTTP tells it: an error of ours is told as it is; any other is the executor's own, and all that is
 * told of it is that the run has failed.
 */
export function ofRun(error: unknown): unknown {
  return isTriageError(error) && error.code !== 'TRIAGE_INVALID_OPTIONS' && error.code !== 'TRIAGE_INVARIANT'
    ? error
    : new RunFailedError('the executor has failed', { started: true }, error)
}

/** What has refused a request that comes by HTTP: its options are the client's, so that a mistake in them is no fault of ours. */
export function ofSubmission(error: unknown): unknown {
  if (error instanceof OptionsError) {
    return new HttpProblem(400, 'INVALID', undefined, {
      issues: [{ in: `options.${error.path}`, message: `expected ${error.expected}` }],
    })
  }
  return ofRun(error)
}

/** Who ended it was the service, since its client has hung up. */
export function gone(): CancelledError {
  return new CancelledError('the client has gone')
}

/**
 * How does a request come in by HTTP? Its options are read from headers, its id is its client's key with the client's name in front,
 * and it is answered when it was admitted, or with its result.
 */
import { DuplicateRequestError, OptionsError } from '../core/errors.ts'
import type { Priority } from '../core/priority.ts'
import { ResultLostError } from '../core/remote-errors.ts'
import type { EffectiveOptions, HandleLike } from '../index.ts'
import { deadlineFrom, priorityFrom } from '../web/headers.ts'
import type { Principal } from './access.ts'
import { type Answer, type Exchange, json, preferenceOf } from './exchange.ts'
import { identityOf, MAX_NODES } from './identity.ts'
import { gone, HttpProblem, ofRun, ofSubmission } from './problem.ts'
import type { ServedQueue } from './served-queue.ts'
import { settled } from './settled.ts'
import { parsed, parsedJson, type SubmitOptions, submitOptions } from './shapes.ts'

/** What is needed of the service. */
export interface SubmitParts {
  readonly exchange: Exchange
  readonly principal: Principal
  readonly queue: ServedQueue
  readonly request: unknown
  /** In place of the header's. */
  readonly key?: string | undefined
  /** Where a request is found. */
  readonly locationOf: (id: string) => string
  readonly metadataOf: (given: unknown) => unknown
  readonly priorityOf: (asked: Priority) => Priority
  readonly maxWaitMs: number
  readonly maxDeadlineMs: number
  /** The service is about to close: nothing waits any more. */
  readonly closing: AbortSignal
}

const MAX_OPTIONS_BYTES = 8_192
/** What can stand in a path, in a log line and in a header, and in no other way than it is. */
const keyPattern = /^[\x21-\x7e]{1,200}$/

/** The key of a client, as it stands in `Idempotency-Key`: as it is, or as a string of RFC 8941. */
function keyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const quoted = /^"(.*)"$/.exec(header.trim())?.[1]
  const key = quoted?.replaceAll(/\\(["\\])/g, '$1') ?? header.trim()
  if (keyPattern.test(key)) return key
  throw new HttpProblem(400, 'INVALID', undefined, {
    issues: [
      { in: 'header.idempotency-key', message: 'expected 1 to 200 visible characters of ASCII, without spaces' },
    ],
  })
}

export async function submit(parts: SubmitParts): Promise<Answer> {
  const { exchange, principal, queue, maxWaitMs } = parts
  const key = parts.key ?? keyOf(exchange.header('idempotency-key'))
  const id = `${principal.name}~${key ?? crypto.randomUUID()}`
  const { waitMs, isAsync } = preferenceOf(exchange.header('prefer'), maxWaitMs)
  const options = await optionsFor(parts, id)
  const known = key === undefined ? undefined : knownAnswer(parts, options)
  if (known !== undefined) {
    const headers = located(parts, id)
    if (waitMs !== undefined) return told(known.result, headers)
    return json(202, { id, queue: queue.name, state: 'completed' }, headers)
  }
  const handle = await admitted(parts, options, key !== undefined)
  // What this connection alone waits for is not worked on when it has gone.
  const isOurs = key === undefined && !isAsync
  const headers = located(parts, id)
  if (waitMs === undefined) {
    if (isOurs && exchange.signal.aborted) await handle.cancel(gone())
    return accepted(parts, handle, headers)
  }
  const end = await settled(handle.result, waitMs, exchange.signal, parts.closing)
  if (end.as === 'gone' && isOurs) await handle.cancel(gone())
  if (end.as === 'failed') throw ofRun(end.error)
  const applied = { ...headers, 'preference-applied': `wait=${Math.ceil(waitMs / 1_000)}` }
  return end.as === 'completed' ? told(end.value, applied) : accepted(parts, handle, applied)
}

/** As its executor is given them. */
interface GivenOptions extends Omit<SubmitOptions, 'after' | 'startAt'> {
  readonly id: string
  readonly priority: Priority
  readonly startAt?: Date
  readonly after?: readonly HandleLike[]
}

/** @throws what is answered, when there is something wrong with them */
async function optionsFor(parts: SubmitParts, id: string): Promise<GivenOptions> {
  const { exchange } = parts
  const headers = { get: (name: string) => exchange.header(name) ?? null }
  const { after, startAt, metadata, ...rest } = optionsOf(exchange)
  try {
    const handles = after === undefined ? [] : await Promise.all(after.map((each) => before(parts, each)))
    const timeoutMs = deadlineFrom(headers, { maxMs: parts.maxDeadlineMs }) ?? rest.timeoutMs
    return {
      ...rest,
      id,
      priority: parts.priorityOf(priorityFrom(headers)),
      metadata: parts.metadataOf(metadata),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(startAt !== undefined && { startAt: new Date(startAt) }),
      ...(handles.length > 0 && { after: handles.filter((handle) => handle !== undefined) }),
    }
  } catch (error) {
    throw refusal(error)
  }
}

async function admitted({ queue, request }: SubmitParts, options: GivenOptions, isKey: boolean): Promise<HandleLike> {
  const { id, kind } = options
  const decided = queue.hasStore
    ? undefined
    : queue.identities.comes(id, request, identityOf(request, kind, isKey ? undefined : MAX_NODES))
  try {
    return await queue.executor.submit(request as never, options as never)
  } catch (error) {
    throw refusal(error)
  } finally {
    decided?.()
  }
}

function refusal(error: unknown): unknown {
  return error instanceof HttpProblem ? error : ofSubmission(error)
}

/** One that it is to come after: one's own, by its key or its id. */
async function before({ queue, principal }: SubmitParts, key: string): Promise<HandleLike | undefined> {
  const own = key.startsWith(`${principal.name}~`) ? key : `${principal.name}~${key}`
  const handle = await queue.handle(own)
  if (handle !== undefined) return handle
  if ((await queue.stateOf(own)) === 'completed') return undefined
  throw new HttpProblem(400, 'INVALID', undefined, {
    issues: [
      {
        in: 'header.triage-options.after',
        message: 'expected keys of requests of your own that live or have completed',
      },
    ],
  })
}

function optionsOf(exchange: Exchange): SubmitOptions {
  const header = exchange.header('triage-options')
  if (header === undefined) return {}
  if (header.length > MAX_OPTIONS_BYTES) throw new HttpProblem(431, 'HEADER_TOO_LARGE')
  const where = 'header.triage-options'
  return parsed(submitOptions, parsedJson(header, where), where)
}

/**
 * The answer that is kept of a request with this key. A failure is not answered once more: it is tried again. What is wrong with the
 * options is said as if there were none.
 * @throws {DuplicateRequestError} for another request with the same key, and when an answer is no answer to it
 */
function knownAnswer(
  { queue, request }: SubmitParts,
  { id, kind, cost = 1, onDuplicate, priority }: GivenOptions,
): { readonly result: unknown } | undefined {
  const ended = queue.answerTo(id)
  if (ended === undefined) return undefined
  const settings = (queue.executor.settings ?? {}) as Partial<EffectiveOptions>
  const { kinds, limit, concurrency = cost } = settings
  if (kind !== undefined && kinds !== undefined && !Object.hasOwn(kinds, kind)) {
    throw refusal(new OptionsError('kind', 'one that there is', kind))
  }
  if (limit === undefined && cost > concurrency) {
    throw refusal(new OptionsError('cost', `at most ${concurrency}, the slots that it can have`, cost))
  }
  const how = onDuplicate ?? settings.onDuplicate ?? 'join'
  const { digest } = ended.identity
  const isSame = digest !== undefined && digest === identityOf(request, kind).digest
  const subject = { queue: queue.name, requestId: id, priority }
  if (isSame ? ended.identity.kind !== kind : how !== 'join-by-id') {
    throw new DuplicateRequestError(subject, 'payload', true)
  }
  if (how === 'reject') throw new DuplicateRequestError(subject, 'completed')
  return ended
}

function located({ locationOf }: SubmitParts, id: string): Record<string, string> {
  return { location: locationOf(id) }
}

/** It was admitted; what becomes of it is told at its `Location`. */
async function accepted({ queue }: SubmitParts, handle: HandleLike, headers: Record<string, string>): Promise<Answer> {
  const { id, state } = handle
  const position = await handle.position()
  const estimateMs = await queue.estimate(position)
  return json(202, { id, queue: queue.name, state, position, estimateMs }, headers)
}

/** A result, as JSON. */
function told(result: unknown, headers: Record<string, string>): Answer {
  try {
    return json(200, result === undefined ? null : result, headers)
  } catch (error) {
    throw new ResultLostError('it can not be told as JSON', undefined, error)
  }
}

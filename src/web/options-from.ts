/**
 * What does a client ask for, all in one? Its priority, its deadline, and that nobody works for it when it has gone.
 */
import type { Priority } from '../core/priority.ts'
import { type DeadlineOptions, deadlineFrom, type PriorityOptions, priorityFrom } from './headers.ts'
import { type RequestLike, type ResponseLike, signalOf } from './signal-of.ts'

/** What `execute()`, `submit()` and `offer()` take. */
export interface ClientOptions {
  readonly priority: Priority
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal
}

/**
 * `priorityFrom()`, `deadlineFrom()` and `signalOf()` together: `queue.execute(work, optionsFrom(request, response))`.
 * @throws {InvalidRequestError} when a header can't be read
 */
export function optionsFrom(
  request: RequestLike,
  response: ResponseLike,
  { rfc9218, maxMs }: PriorityOptions & DeadlineOptions = {},
): ClientOptions {
  const { headers } = request
  const priority = priorityFrom(headers, { rfc9218 })
  const timeoutMs = deadlineFrom(headers, { maxMs })
  return { priority, timeoutMs, signal: signalOf(request, response) }
}

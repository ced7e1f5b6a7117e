/**
 * The options of a request, as a service reads them.
 */
import { OptionsError } from '../../core/errors.ts'
import type { RequestOptions } from '../../index.ts'

/**
 * An id as it stands in `Idempotency-Key`: a string of RFC 8941.
 * @throws {OptionsError} for one that can't stand in a header, in a path and in a line of a log as it is
 */
export function keyOf(id: string): string {
  if (/^[\x21-\x7e]{1,200}$/.test(id) && !isDots(id)) return JSON.stringify(id)
  throw new OptionsError('id', "1 to 200 visible characters of ASCII, and not '.' or '..', to be said over HTTP", id)
}

/** What is left out of a path, however it is encoded. */
function isDots(id: string): boolean {
  return id === '.' || id === '..'
}

/** An id as a part of a path. @throws {OptionsError} */
export function partOf(id: string): string {
  try {
    if (!isDots(id)) return encodeURIComponent(id)
  } catch {
    // Half a letter.
  }
  throw new OptionsError('id', "an id that can stand in a path: not '.' or '..', and well-formed", id)
}

/** @throws {OptionsError} for what can't be said over HTTP */
export function headersOf(options: RequestOptions): Record<string, string> {
  const { priority, deadline, startAt, after, metadata, cost, delayMs, onDuplicate, kind } = options
  const { waitTimeoutMs, runTimeoutMs, timeoutMs } = options
  const more = {
    ...{ kind, metadata, cost, delayMs, onDuplicate, startAt: startAt?.toISOString(), after: after?.map(idOf) },
    ...{ waitTimeoutMs: finite(waitTimeoutMs), runTimeoutMs: finite(runTimeoutMs), timeoutMs: finite(timeoutMs) },
  }
  const text = JSON.stringify(more)
  const headers: Record<string, string> = {}
  if (priority !== undefined) headers['triage-priority'] = priority
  if (deadline !== undefined) headers['triage-deadline'] = `${Math.max(Math.round(Number(deadline) - Date.now()), 1)}`
  // A header has no letters beyond Latin-1.
  if (text !== '{}') headers['triage-options'] = text.replaceAll(/[\u007f-\uffff]/g, escaped)
  return headers
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** No limit is the default, and JSON has no Infinity. */
function finite(ms: number | undefined): number | undefined {
  return ms === Number.POSITIVE_INFINITY ? undefined : ms
}

function idOf(one: unknown): string {
  const { id } = one as { id?: unknown }
  if (typeof id === 'string') return id
  throw new OptionsError('after', 'handles of requests: a promise of this process can not be waited for elsewhere', one)
}

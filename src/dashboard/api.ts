/**
 * How does the page ask the service? By its routes, with the cookie of its session. What is refused is a `Problem`.
 */

/** The page lies beside its script, wherever that is mounted. */
export const base = new URL('.', import.meta.url).pathname.replace(/\/$/, '')

/** What the service has answered in place of what was asked for, or that it has not answered. */
export class Problem extends Error {
  /** 0: there was no answer. */
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, title: string) {
    super(title)
    this.status = status
    this.code = code
  }
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  /** The generation that was seen. */
  readonly seen?: number | undefined
  readonly signal?: AbortSignal
}

/** Told when one is not known any more: a session is over, or the service has begun anew. */
let whenUnknown = (): void => {}

export function onUnknown(told: () => void): void {
  whenUnknown = told
}

/** @throws {Problem} */
export async function ask<T>(path: string, { method = 'GET', body, seen, signal }: Ask = {}): Promise<T> {
  const headers: Record<string, string> = {
    accept: 'application/json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(seen !== undefined && { 'if-match': `"${seen}"` }),
  }
  let response: Response
  try {
    response = await fetch(`${base}${path}`, {
      ...{ method, headers, credentials: 'same-origin' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    })
  } catch {
    throw new Problem(0, 'NO_ANSWER', 'The service does not answer')
  }
  const answer: unknown = await response.json().catch(() => ({}))
  if (response.ok) return answer as T
  const {
    code = '',
    title = response.statusText,
    detail,
  } = answer as { code?: string; title?: string; detail?: string }
  if (response.status === 401 && !path.startsWith('/v1/session')) whenUnknown()
  throw new Problem(response.status, code, wordsOf(code) ?? detail ?? title)
}

/** What the page's own user can do about it, for what happens to them. */
function wordsOf(code: string): string | undefined {
  switch (code) {
    case 'STALE':
      return 'It has changed meanwhile: look again.'
    case 'ENDED':
      return 'It has ended already.'
    case 'NOT_WAITING':
      return 'It waits no more, or that tier has a bound that is reached.'
    case 'NOT_FOUND':
      return 'It was never here, or is not kept any more.'
    case 'UNAUTHORIZED':
      return 'Your session is over: log in again.'
    case 'FORBIDDEN':
      return 'Your level does not allow it.'
    default:
      return undefined
  }
}

export const pathOf = (queue: string): string => `/v1/queues/${encodeURIComponent(queue)}`

/** After the path of its queue. */
export const ofRequest = (id: string): string => `/requests/${encodeURIComponent(id)}`

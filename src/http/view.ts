/**
 * What is shown of a request, and to whom? Everyone who may look sees where it is and how long it took; what it is about is for whoever
 * submitted it, and for operators.
 */

import type { RequestView } from '../core/watch/request-view.ts'
import { isAtLeast, ownerOf, type Principal } from './access.ts'
import type { LocalHandle } from './executor-like.ts'
import type { Live } from './live-requests.ts'
import { type Ended, errorViewOf } from './recent-ends.ts'
import type { ServedQueue } from './served-queue.ts'

/** May they see what it is about? */
export function seesAll({ name, level }: Principal, id: string): boolean {
  return isAtLeast(level, 'operator') || (isAtLeast(level, 'submitter') && ownerOf(id) === name)
}

/** With about when it starts, in ms from now. */
export type ShownRequest = RequestView & { readonly estimateMs?: number | undefined }

export interface ViewOptions {
  readonly seesAll: boolean
  /** Messages of errors, too. */
  readonly exposeErrors: boolean
}

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())

/** A page shows many: without what costs time for each. */
export function lineOf(queue: string, live: Live): RequestView {
  const { id, generation, priority, state, submittedAt, startedAt, waitMs, attempts } = live
  return {
    ...{ id, queue, state, priority, generation, attempts, waitMs },
    ...{ submittedAt: iso(submittedAt) as string, startedAt: iso(startedAt) },
  }
}

export function endOf(queue: string, ended: Ended, { seesAll, exposeErrors }: ViewOptions): RequestView {
  const { id, generation, priority, state, attempts, waitMs, runMs, error, result, metadata } = ended
  return {
    ...{ id, queue, state, priority, generation, attempts, waitMs, runMs },
    ...{ submittedAt: iso(ended.submittedAt) as string, startedAt: iso(ended.startedAt), endedAt: iso(ended.endedAt) },
    ...(error !== undefined && { error: errorViewOf(error, seesAll && exposeErrors) }),
    ...(seesAll && { result, metadata }),
  }
}

/** One that lives, with its place. */
async function liveOf(queue: ServedQueue, handle: LocalHandle, { seesAll }: ViewOptions): Promise<ShownRequest> {
  const { id } = handle
  const live = queue.live.get(id)
  const position = await handle.position()
  const { fraction } = handle.progress ?? {}
  return {
    ...(live === undefined ? bare(queue.name, handle) : lineOf(queue.name, live)),
    state: handle.state,
    priority: handle.priority ?? live?.priority ?? 'normal',
    ...(position !== undefined && { position, estimateMs: await queue.estimate(position) }),
    ...(fraction !== undefined && { progress: fraction }),
    ...(seesAll && handle.metadata !== undefined && { metadata: handle.metadata }),
  }
}

function bare(queue: string, { id, state, priority = 'normal' }: LocalHandle): RequestView {
  const submittedAt = new Date().toISOString()
  return { id, queue, state, priority, generation: 0, attempts: 0, submittedAt }
}

/** A request by its id, as one may see it. */
export async function viewOf(queue: ServedQueue, id: string, options: ViewOptions): Promise<ShownRequest | undefined> {
  const handle = await queue.handle(id)
  // A store knows its generation.
  if (handle === undefined || queue.hasStore) {
    const view = await queue.kept.view(id, options)
    if (view?.position === undefined) return view
    return { ...view, estimateMs: await queue.estimate(view.position) }
  }
  return liveOf(queue, handle, options)
}

const secrets = /pass(word|wd|phrase)?$|secret|token|api_?key|authorization|cookie|credential|private_?key/i

/** The payload, with what looks like a secret by its name taken out. In place of your own `redact`. */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > 20) return '[too deep]'
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      secrets.test(name) ? '[redacted]' : withoutSecrets(each, depth + 1),
    ]),
  )
}

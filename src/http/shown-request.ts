/**
 * One request by its id, as one may see it: it lives, or its end is kept.
 */
import type { RequestView } from '../index.ts'
import type { LocalHandle } from './executor-like.ts'
import { isLiveState } from './live-states.ts'
import type { ServedQueue } from './served-queue.ts'
import { lineOf, type ViewOptions } from './view.ts'

/** One that lives, with its place. */
async function liveOf(queue: ServedQueue, handle: LocalHandle, { seesAll }: ViewOptions): Promise<RequestView> {
  const { id } = handle
  const live = queue.live.get(id)
  const position = await handle.position()
  const { fraction, message } = handle.progress ?? {}
  return {
    ...(live === undefined ? notAdmitted(queue, handle) : lineOf(queue.name, live)),
    state: handle.state,
    priority: handle.priority ?? live?.priority ?? 'normal',
    ...(position !== undefined && { position, estimateMs: await queue.estimate(position) }),
    ...(fraction !== undefined && { progress: { fraction, ...(seesAll && { message }) } }),
    ...(seesAll && handle.metadata !== undefined && { metadata: handle.metadata }),
  }
}

function notAdmitted(queue: ServedQueue, handle: LocalHandle): RequestView {
  const { id, state, priority = 'normal', request, metadata } = handle
  const submittedAt = new Date().toISOString()
  const key = queue.keyOf(request, metadata)
  return { id, queue: queue.name, state, priority, key, generation: queue.numberOf(id) ?? 0, attempts: 0, submittedAt }
}

/** A request by its id, as one may see it. */
export async function viewOf(queue: ServedQueue, id: string, options: ViewOptions): Promise<RequestView | undefined> {
  const handle = await queue.handle(id)
  // A store knows its generation.
  if (handle === undefined || queue.hasStore) {
    const view = await queue.kept.view(id, options)
    if (view?.position === undefined) return view
    return { ...view, estimateMs: await queue.estimate(view.position) }
  }
  const live = await liveOf(queue, handle, options)
  // It may have ended while its place was asked for.
  if (isLiveState(handle.state)) return live
  return (await queue.kept.view(id, options)) ?? live
}

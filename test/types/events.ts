/** Events know the request, the answer and the metadata of their executor. */
import type { ExecutorEvent, ExecutorEvents, Listener } from 'triage-queue'
import { QueuedExecutor } from 'triage-queue'
import { holds, type Same } from './support.ts'

const lengths = new QueuedExecutor(async (text: string) => text.length)
lengths.on('completed', ({ request, result, waitMs, metadata }) => {
  holds<Same<typeof request, string>>()
  holds<Same<typeof result, number>>()
  holds<Same<typeof waitMs, number>>()
  holds<Same<typeof metadata, unknown>>()
})
for (const event of [
  'queued',
  'blocked',
  'started',
  'retrying',
  'failed',
  'expired',
  'cancelled',
  'shed',
  'stuck',
] as const) {
  lengths.once(event, ({ request }) => holds<Same<typeof request, string>>())
}
lengths.on('progress', ({ progress, request }) => {
  holds<Same<typeof progress, number>>()
  holds<Same<typeof request, string>>()
})
lengths.on('rejected', ({ id, request }) => {
  holds<Same<typeof id, string | undefined>>()
  holds<Same<typeof request, string>>()
})
// @ts-expect-error: there is no such event.
lengths.on('finished', () => {})
// @ts-expect-error: it has not run.
lengths.on('queued', ({ result }) => result)

// A listener for any executor, and one for such an executor.
const anyListener: Listener<'completed'> = ({ result }) => holds<Same<typeof result, unknown>>()
const ownListener: Listener<'completed', string, number> = ({ request, result }) => request.length === result
lengths.on('completed', anyListener).off('completed', anyListener).on('completed', ownListener)
// @ts-expect-error: the answers are numbers.
lengths.on('completed', (({ result }) => result.trim()) as Listener<'completed', string, string>)

function count<E extends ExecutorEvent>(event: E, listener: (event: ExecutorEvents[E]) => void): void {
  lengths.on(event, listener)
}
count('completed', () => {})

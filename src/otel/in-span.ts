/**
 * How do the spans that an executor makes become children of its request's run?
 *
 * An executor runs in the context of its submitter, where the submitter's span is active. A listener can't change that;
 * only code around the executor can. So the span changes hands: the listener of `started` is told right before the
 * executor is called, in the same synchronous stretch, and leaves the span here; the wrapped executor takes it.
 */
import { context, type Span, trace } from '@opentelemetry/api'
import { soon } from '../core/clock.ts'
import { type Executor, OptionsError } from '../index.ts'

let handover: { readonly id: string; readonly span: Span } | undefined

/**
 * Wraps an executor, so that inside it the span of its run is the active one, and the spans that it makes are children
 * of that. Without `otel()` on its queue, it only calls the executor.
 *
 * Hand it to the queue as it is: what is awaited before it is called would come between it and its span.
 *
 * ```ts
 * const queue = new QueuedExecutor(inSpan(callTheModel), { name: 'llm' })
 * otel(queue)
 * ```
 * @throws {OptionsError} for what is no function
 */
export function inSpan<Req, Res>(executor: Executor<Req, Res>): Executor<Req, Res> {
  if (typeof executor !== 'function') throw new OptionsError('executor', 'a function', executor)
  return (request, run) => {
    // Asked first: an id that nobody has read yet would be made for this alone.
    if (handover === undefined || handover.id !== run.id) return executor(request, run)
    const { span } = handover
    handover = undefined
    return context.with(trace.setSpan(context.active(), span), executor, undefined, request, run)
  }
}

/** The executor for the request with this id is called next. */
export function handOver(id: string, span: Span): void {
  handover = { id, span }
  // Nobody takes it where the executor is not wrapped; then it is none of the next one's business.
  soon.then(forget)
}

function forget(): void {
  handover = undefined
}

/**
 * What does the trace of one request look like?
 *
 *     the submitter's span
 *     └─ process llm            from its submission to its end
 *        ├─ wait llm            … to its slot
 *        └─ run llm             … to its end; with inSpan(), the parent of what the executor does
 *
 * Each retry has one more `wait`, its backoff included, and one more `run`, linked with the run that has failed.
 *
 * The names are those that the conventions for messaging give: `{operation} {destination}`. The kind is INTERNAL, not
 * CONSUMER: nothing leaves the process, the submitter awaits the answer, and backends that draw a broker for each CONSUMER
 * would draw one that does not exist.
 *
 * A request that is not sampled has one span that records nothing, and no children.
 */
import {
  type Attributes,
  context,
  type Link,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { ExecutorEvents, Outcome, Priority, RequestEvent } from '../index.ts'
import { type Fault, faultOf } from './faults.ts'
import type { WallTime } from './wall-time.ts'

/** What the spans of all requests of an executor have in common. */
export interface SpanPlan {
  readonly tracer: Tracer
  readonly queue: string
  readonly attributes: Attributes
  readonly wall: WallTime
}

/** How a request ended; one that was blocked may be refused, and a store may keep one for the next start. */
export interface Ending {
  readonly outcome: Outcome | 'rejected' | 'parked'
  readonly priority: Priority
  readonly at: number
  readonly error: unknown
  /** Undefined when it never ran. */
  readonly runMs: number | undefined
}

export class RequestSpans {
  readonly #plan: SpanPlan
  readonly #offset: number
  readonly #request: Span
  /** Its wait or its run, whichever is going on; undefined when it is not sampled. */
  #stage: Span | undefined
  #since: number
  #failed: Link | undefined
  #joined = 0

  /** Called in the context of the submitter. */
  constructor(plan: SpanPlan, { id, priority }: RequestEvent, submittedAt: number) {
    this.#plan = plan
    this.#offset = plan.wall.offset()
    this.#since = submittedAt
    const attributes = {
      ...plan.attributes,
      'messaging.system': 'triage_queue',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.message.id': id,
      'triage.priority': priority,
    }
    const options = { kind: SpanKind.INTERNAL, startTime: this.#wall(submittedAt), attributes }
    this.#request = plan.tracer.startSpan(`process ${plan.queue}`, options)
    this.#enter('wait', submittedAt)
  }

  /** The span that is to be active while the executor runs. */
  get active(): Span {
    return this.#stage ?? this.#request
  }

  /** The span of the request itself, to be linked with. */
  get request(): Span {
    return this.#request
  }

  admitted({ at, waiting }: ExecutorEvents['queued'], wasBlocked: boolean): void {
    if (!this.#request.isRecording()) return
    this.#request.setAttribute('triage.queue.size', waiting)
    if (wasBlocked) this.#request.addEvent('triage.admitted', this.#wall(at))
  }

  started({ at, waitMs, attempt }: ExecutorEvents['started']): void {
    if (this.#stage === undefined) return
    this.#leave(at)
    this.#request.setAttribute('triage.wait_ms', waitMs)
    this.#enter('run', at, { attributes: { 'triage.attempt': attempt }, links: this.#failed ? [this.#failed] : [] })
  }

  retrying({ at, attempt, error, delayMs }: ExecutorEvents['retrying']): void {
    if (this.#stage === undefined) return
    const fault = faultOf(error)
    this.#fail(this.#stage, fault)
    this.#record(this.#stage, fault, at)
    this.#failed = { context: this.#stage.spanContext(), attributes: { 'triage.link': 'retry' } }
    this.#request.setAttribute('triage.retries', attempt)
    this.#leave(at)
    this.#enter('wait', at, { attributes: { 'triage.delay_ms': delayMs } })
  }

  joined(): void {
    this.#request.setAttribute('triage.joined', ++this.#joined)
  }

  ended({ outcome, priority, at, error, runMs }: Ending): void {
    if (this.#stage === undefined) {
      this.#request.end(this.#wall(at))
      return
    }
    this.#request.setAttributes({ 'triage.outcome': outcome, 'triage.priority': priority })
    if (runMs !== undefined) this.#request.setAttribute('triage.run_ms', runMs)
    if (outcome !== 'completed' && outcome !== 'parked') this.#unanswered(outcome, faultOf(error), at)
    this.#end(at)
  }

  /** Nobody will be told of its end. */
  detached(now: number): void {
    this.#request.setAttribute('triage.detached', true)
    this.#end(Math.max(now, this.#since))
  }

  #unanswered(outcome: Ending['outcome'], fault: Fault, at: number): void {
    if (wasWanted(outcome, fault)) {
      this.#request.setAttribute('triage.cancel_reason', fault.message)
      return
    }
    this.#fail(this.#stage as Span, fault)
    this.#fail(this.#request, fault)
    this.#record(this.#request, fault, at)
  }

  #fail(span: Span, { type, message }: Fault): void {
    span.setAttribute('error.type', type)
    span.setStatus({ code: SpanStatusCode.ERROR, message })
  }

  #record(span: Span, { type, message, stack }: Fault, at: number): void {
    span.recordException({ name: type, message, ...(stack !== undefined && { stack }) }, this.#wall(at))
  }

  #enter(stage: 'wait' | 'run', at: number, options: SpanOptions = {}): void {
    if (!this.#request.isRecording()) return
    const { tracer, queue } = this.#plan
    const parent = trace.setSpan(context.active(), this.#request)
    this.#stage = tracer.startSpan(`${stage} ${queue}`, { ...options, startTime: this.#wall(at) }, parent)
    this.#since = at
  }

  #leave(at: number): void {
    this.#stage?.end(this.#wall(at))
  }

  #end(at: number): void {
    this.#leave(at)
    this.#request.end(this.#wall(at))
  }

  #wall(at: number): number {
    return at + this.#offset
  }
}

/**
 * Did somebody want it to end without an answer? That is no error, by the conventions. A blocked caller who gives up is
 * refused with what he aborted his signal with.
 */
function wasWanted(outcome: Ending['outcome'], { isOurs, type }: Fault): boolean {
  return outcome === 'rejected' ? !isOurs || type === 'TRIAGE_CANCELLED' : outcome === 'cancelled'
}

/**
 * A caller has joined a request: his span and the request's are linked with each other, so that whoever looks at one of
 * the callers finds the run, and whoever looks at the run finds all callers. Called in the context of the one who joined.
 */
export function linkJoined(spans: RequestSpans | undefined, id: string): void {
  if (spans === undefined) return
  const joiner = trace.getActiveSpan()
  const attributes = { 'triage.link': 'joined', 'messaging.message.id': id }
  if (spans.request.isRecording()) {
    spans.joined()
    if (joiner !== undefined) spans.request.addLink({ context: joiner.spanContext(), attributes })
  }
  if (joiner?.isRecording()) joiner.addLink({ context: spans.request.spanContext(), attributes })
}

/**
 * A refusal is an event on the span of its submitter, not a span: it takes no time, and a flood of refusals must cost
 * little; a span holds only so many events. Called in the context of the submitter.
 */
export function noteRefusal(plan: SpanPlan, id: string | undefined, priority: Priority, error: unknown): void {
  const submitter = trace.getActiveSpan()
  if (submitter === undefined || !submitter.isRecording()) return
  const { type, retryAfterMs } = faultOf(error)
  submitter.addEvent('triage.rejected', {
    'messaging.destination.name': plan.queue,
    'triage.priority': priority,
    'error.type': type,
    ...(id !== undefined && { 'messaging.message.id': id }),
    ...(retryAfterMs !== undefined && { 'triage.retry_after_ms': retryAfterMs }),
  })
}

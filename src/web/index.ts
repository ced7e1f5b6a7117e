/**
 * `triage-queue/web`: what an HTTP handler needs around a queue. Requests, responses and headers are plain objects: those of
 * Node, Express, Fastify, Nest, or of fetch.
 */

export {
  type DeadlineOptions,
  deadlineFrom,
  type HeadersLike,
  type NodeHeaders,
  type PriorityOptions,
  priorityFrom,
} from './headers.ts'
export { type NestFilter, type NestHost, nestFilter } from './nest-filter.ts'
export { type ClientOptions, optionsFrom } from './options-from.ts'
export { type RequestLike, type ResponseLike, signalOf } from './signal-of.ts'
export { type Problem, toProblem } from './to-problem.ts'

/**
 * `triage-queue/http`: executors as a service, with live events, and a client that is used as an executor is.
 */

export type { Level, Principal, RequestFacts, Token } from './access.ts'
export { type HttpApp, httpApp, type NodeRequest, type NodeResponse } from './app.ts'
export type { Rate } from './buckets.ts'
export type { Connection } from './by-fetch.ts'
export type { Fetch } from './client/calls.ts'
export { HttpClient } from './client/client.ts'
export { HttpError } from './client/errors.ts'
export type { HttpClientOptions } from './client/options.ts'
export type { ServedExecutor } from './executor-like.ts'
export { type Listening, type ListenOptions, listen } from './listen.ts'
export type { AccessLine, AuthOptions, HttpAppOptions } from './options.ts'
export type { Keep } from './recent-ends.ts'
export type { AuditEntry, MetadataFacts } from './service.ts'

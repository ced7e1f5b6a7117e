/**
 * OpenTelemetry: a span for each request, and the same instruments that every watcher offers. Needs the optional peer
 * `@opentelemetry/api`, and nothing of any SDK.
 */
export { inSpan } from './in-span.ts'
export type { OtelOptions } from './options.ts'
export { type Detach, otel } from './otel.ts'
export type { Watched } from './watched.ts'

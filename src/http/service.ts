/**
 * What do the routes share? The parts of one `httpApp()`. Types only, but for the audit.
 */
import type { Priority } from '../core/priority.ts'
import type { Access, Principal } from './access.ts'
import type { Hub } from './events/hub.ts'
import type { Gate } from './gate.ts'
import type { History } from './history.ts'
import type { ServedQueue } from './served-queue.ts'

/** One change, or one try: who, what, and how it went. */
export interface AuditEntry {
  readonly principal: string
  readonly level: string
  /** `'cancel'`, `'pause'`, `'payload'` … */
  readonly action: string
  readonly queue?: string | undefined
  readonly id?: string | undefined
  /** The status that it was answered with. */
  readonly status: number
  readonly at: string
}

/** What can be chosen, complete. */
interface Settings {
  readonly basePath: string
  readonly exposeErrors: boolean
  readonly maxBodyBytes: number
  readonly bodyTimeoutMs: number
  readonly maxWaitMs: number
  readonly maxDeadlineMs: number
  readonly redact: (payload: unknown) => unknown
  readonly metadata: ((facts: MetadataFacts) => unknown) | undefined
  readonly priority: ((asked: Priority, principal: Principal) => Priority) | undefined
}

/** What a function of yours makes a request's metadata of. */
export interface MetadataFacts {
  /** What `Triage-Options` has as `metadata`. */
  readonly given: unknown
  readonly principal: Principal
  /** The W3C trace context that it came with. */
  readonly traceparent: string | undefined
  header(name: string): string | undefined
}

export interface Service {
  readonly settings: Settings
  readonly queues: ReadonlyMap<string, ServedQueue>
  readonly access: Access
  readonly gate: Gate
  readonly hub: Hub
  readonly history: History
  readonly closing: AbortSignal
  readonly openapi: () => string
  readonly audit: (entry: Omit<AuditEntry, 'at'>) => void
}

export interface Asset {
  readonly type: string
  readonly body: string
}

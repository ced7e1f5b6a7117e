/**
 * What may be chosen for a service? Everything is looked at before anything is served.
 */
import { aFunction, hasMethods, isCount, isFunction, type OptionRule, readGiven, yesOrNo } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { Priority } from '../core/priority.ts'
import { type Level, levels, namePattern, type Principal, type RequestFacts, type Token } from './access.ts'
import type { Rate } from './buckets.ts'
import type { ServedExecutor } from './executor-like.ts'
import type { Keep } from './recent-ends.ts'
import type { AuditEntry, MetadataFacts } from './service.ts'
import { withoutSecrets } from './view.ts'

export interface AuthOptions {
  /** Who may do what, by a token of at least 16 characters: `{ name: 'ci', level: 'submitter', token }`. */
  readonly tokens?: readonly Token[] | undefined
  /** Tells who asks, where no token does. Undefined: nobody who is known. */
  readonly identify?: ((facts: RequestFacts) => Principal | undefined | Promise<Principal | undefined>) | undefined
  /**
   * On loopback, whoever has no token is a submitter, not only a viewer.
   * @default false
   */
  readonly open?: boolean | undefined
  /**
   * How long the cookie of `POST /v1/session` is valid, in ms.
   * @default 43200000 (12 hours)
   */
  readonly sessionMs?: number | undefined
}

/** One line a request: no payload, no token, no query. */
export interface AccessLine {
  readonly method: string
  readonly path: string
  readonly route: string | undefined
  readonly status: number
  readonly ms: number
  readonly principal: string | undefined
  readonly traceId: string | undefined
  /** What a function of yours, or a bug, has thrown, when the answer is a 5xx. It may hold what a client has sent. */
  readonly error: unknown
}

export interface HttpAppOptions {
  /** The executors behind it, each with a name of its own. The first one has the routes without a name, as `POST /process`. */
  readonly queues: ServedExecutor | readonly ServedExecutor[]
  readonly auth?: AuthOptions | undefined
  /**
   * The names in `Host` that it answers to, besides those of loopback and the address that a client is connected to. `'any'`: every
   * one, where something in front has looked at it.
   * @default []
   */
  readonly hosts?: readonly string[] | 'any' | undefined
  /** Origins whose pages may ask, besides its own: `https://ops.example.com`. */
  readonly origins?: readonly string[] | undefined
  /**
   * The next proxy is one of your own: `X-Forwarded-For` (its last entry), `-Host` and `-Proto` are believed.
   * @default false
   */
  readonly trustProxy?: boolean | undefined
  /** What stands in front of every path: `/queue`. */
  readonly basePath?: string | undefined
  /** @default 1048576 (1 MiB) */
  readonly maxBodyBytes?: number | undefined
  /** @default 10000 */
  readonly bodyTimeoutMs?: number | undefined
  /** The longest that `Prefer: wait` is taken for. @default 60000 */
  readonly maxWaitMs?: number | undefined
  /** The longest `Triage-Deadline`. @default 300000 */
  readonly maxDeadlineMs?: number | undefined
  /** How many may listen to the events. @default 64 */
  readonly maxEventClients?: number | undefined
  /** How many events are kept for those that come back. @default 10000 */
  readonly eventRing?: number | undefined
  /** How often each principal may ask. @default none */
  readonly rateLimit?: Rate | undefined
  /** How many dead letters are kept in memory, and as many of all other ends; and for how long. @default { count: 10000, ageMs: 86400000 } */
  readonly keep?: Partial<Keep> | undefined
  /** What an operator sees of a payload. @default without the values of members that are named as secrets are */
  readonly redact?: ((payload: unknown) => unknown) | undefined
  /** A request's metadata, from what is known of it. @default what `Triage-Options` has */
  readonly metadata?: ((facts: MetadataFacts) => unknown) | undefined
  /** The priority that one gets, of the one that one asks for. @default that one */
  readonly priority?: ((asked: Priority, principal: Principal) => Priority) | undefined
  /**
   * Says what the executor has failed with, to whoever submitted it and to operators.
   * @default false
   */
  readonly exposeErrors?: boolean | undefined
  /** Called with a line for each request. */
  readonly log?: ((line: AccessLine) => void) | undefined
  /** Called with each change, and each look at a payload of others. */
  readonly audit?: ((entry: AuditEntry) => void) | undefined
}

type Rules = { readonly [K in keyof HttpAppOptions]-?: OptionRule }

const count: OptionRule = { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) }
const anything: OptionRule = { expected: '', fits: () => true }
const ms: OptionRule = {
  expected: 'a number of ms from 1 to 2147483647',
  fits: (value) => typeof value === 'number' && value >= 1 && value <= 2_147_483_647,
}
const texts: OptionRule = {
  expected: 'an array of strings',
  fits: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
}

const authRules: { readonly [K in keyof AuthOptions]-?: OptionRule } = {
  tokens: {
    expected: `an array of { name, level, token }: a name of letters, digits, . _ @ -, a level of ${levels.join(', ')}, a token of at least 16 characters`,
    fits: (value) => Array.isArray(value) && value.every(isToken),
    // The tokens themselves are told to nobody.
    hint: () => undefined,
  },
  identify: aFunction,
  open: yesOrNo,
  sessionMs: ms,
}

const rules: Rules = {
  queues: anything,
  auth: anything,
  hosts: { expected: "an array of names, or 'any'", fits: (value) => value === 'any' || texts.fits(value) },
  origins: texts,
  trustProxy: yesOrNo,
  basePath: {
    expected: "a path as '/queue'",
    fits: (value) => typeof value === 'string' && /^(\/[\w.~-]+)*$/.test(value),
  },
  maxBodyBytes: count,
  bodyTimeoutMs: ms,
  maxWaitMs: ms,
  maxDeadlineMs: ms,
  maxEventClients: count,
  eventRing: count,
  rateLimit: {
    expected: 'an object of numbers greater than 0: perSecond, and burst of at least 1',
    fits: (value) => {
      const { perSecond, burst } = (value ?? {}) as Partial<Rate>
      return typeof perSecond === 'number' && perSecond > 0 && typeof burst === 'number' && burst >= 1
    },
  },
  keep: anything,
  redact: aFunction,
  metadata: aFunction,
  priority: aFunction,
  exposeErrors: yesOrNo,
  log: aFunction,
  audit: aFunction,
}

function isToken(value: unknown): value is Token {
  if (typeof value !== 'object' || value === null) return false
  const { name, level, token } = value as Partial<Token>
  const isNamed = typeof name === 'string' && namePattern.test(name) && levels.includes(level as Level)
  return isNamed && typeof token === 'string' && /^[\x21-\x7e]{16,}$/.test(token)
}

/** The options, complete. @throws {OptionsError} */
export function readHttpOptions(options: HttpAppOptions) {
  const given = readGiven<HttpAppOptions>('', options, rules)
  const auth = given.auth === undefined ? {} : readAuth(given.auth)
  const keep = readGiven<Partial<Keep>>('keep', given.keep ?? {}, { count, ageMs: ms })
  const { hosts = [] } = given
  return {
    queues: readQueues(given.queues),
    access: {
      tokens: auth.tokens ?? [],
      identify: auth.identify,
      isOpen: auth.open ?? false,
      sessionMs: auth.sessionMs ?? 43_200_000,
    },
    gate: {
      hosts: hosts === 'any' ? undefined : new Set(hosts.map((host) => host.toLowerCase())),
      origins: new Set((given.origins ?? []).map((origin) => origin.toLowerCase())),
      trustProxy: given.trustProxy ?? false,
    },
    keep: { count: keep.count ?? 10_000, ageMs: keep.ageMs ?? 86_400_000 },
    maxEventClients: given.maxEventClients ?? 64,
    eventRing: given.eventRing ?? 10_000,
    rateLimit: given.rateLimit,
    log: given.log,
    audit: given.audit,
    settings: {
      basePath: given.basePath ?? '',
      exposeErrors: given.exposeErrors ?? false,
      maxBodyBytes: given.maxBodyBytes ?? 1_048_576,
      bodyTimeoutMs: given.bodyTimeoutMs ?? 10_000,
      maxWaitMs: given.maxWaitMs ?? 60_000,
      maxDeadlineMs: given.maxDeadlineMs ?? 300_000,
      redact: given.redact ?? withoutSecrets,
      metadata: given.metadata,
      priority: given.priority,
    },
  }
}

function readAuth(auth: unknown) {
  try {
    return readGiven<AuthOptions>('auth', auth, authRules)
  } catch (error) {
    // An error may be logged: it must not have a token in it.
    if (error instanceof OptionsError && error.path === 'auth.tokens') {
      throw new OptionsError(
        'auth.tokens',
        error.expected,
        undefined,
        undefined,
        `Option 'auth.tokens': expected ${error.expected}`,
      )
    }
    throw error
  }
}

/** By name, in the order in which they were given. */
function readQueues(queues: unknown): Map<string, ServedExecutor> {
  const all = Array.isArray(queues) ? queues : [queues]
  const found = new Map<string, ServedExecutor>()
  for (const executor of all as ServedExecutor[]) {
    if (!hasMethods(executor, 'submit', 'get', 'cancel', 'getStatus', 'pause', 'resume', 'on', 'off')) {
      throw new OptionsError('queues', 'a QueuedExecutor, or an array of some', executor)
    }
    const name = nameOf(executor)
    if (found.has(name)) throw new OptionsError('queues', 'executors with names of their own', name)
    found.set(name, executor)
  }
  if (found.size === 0) throw new OptionsError('queues', 'at least one executor', queues)
  return found
}

function nameOf(executor: ServedExecutor): string {
  if (typeof executor.name === 'string') return executor.name
  const status = executor.getStatus()
  if (!isFunction((status as { then?: unknown }).then)) return (status as { name: string }).name
  throw new OptionsError('queues', 'executors elsewhere to have a name', undefined)
}

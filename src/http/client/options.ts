/**
 * What may be chosen for a client?
 */
import { aFunction, isCount, type OptionRule, readGiven } from '../../core/checks.ts'
import { OptionsError } from '../../core/errors.ts'
import type { Fetch } from './calls.ts'

export interface HttpClientOptions {
  /** Of the service, with its base path: `https://queue.example.com`. */
  readonly url: string
  /** The name of the queue there. */
  readonly queue: string
  readonly token?: string | undefined
  /** How often a call is made again when the connection fails. @default 4 */
  readonly retries?: number | undefined
  /** How long one long poll waits, in ms. @default 30000 */
  readonly pollMs?: number | undefined
  /**
   * How ends are learnt: `'polls'` takes a connection for each request that is waited for, `'events'` one for all.
   * @default 'polls'
   */
  readonly results?: 'polls' | 'events' | undefined
  /** More headers for each call: `traceparent`. */
  readonly headers?: (() => Record<string, string>) | undefined
  /** @default the global `fetch` */
  readonly fetch?: Fetch | undefined
}

const text: OptionRule = {
  expected: 'a string that is not empty',
  fits: (value) => typeof value === 'string' && value !== '',
}
const rules: { readonly [K in keyof HttpClientOptions]-?: OptionRule } = {
  url: {
    expected: 'an URL of http or https',
    fits: (value) => typeof value === 'string' && /^https?:\/\//.test(value),
  },
  queue: text,
  token: text,
  retries: { expected: 'an integer of at least 0', fits: (value) => isCount(value, 0) },
  pollMs: { expected: 'a number of ms of at least 1000', fits: (value) => typeof value === 'number' && value >= 1_000 },
  results: { expected: "'polls' or 'events'", fits: (value) => value === 'polls' || value === 'events' },
  headers: aFunction,
  fetch: aFunction,
}

/** The options, complete. @throws {OptionsError} */
export function readClientOptions(options: HttpClientOptions) {
  const given = readGiven<HttpClientOptions>('', options, rules)
  for (const name of ['url', 'queue'] as const) {
    if (given[name] === undefined) throw new OptionsError(name, rules[name].expected, undefined)
  }
  const { url, queue, token, retries = 4, headers, pollMs = 30_000, results = 'polls' } = given
  const doFetch: Fetch = given.fetch ?? ((to, init) => fetch(to, init))
  return {
    url: url.replace(/\/+$/, ''),
    queue,
    token,
    retries,
    headers,
    pollMs,
    byEvents: results === 'events',
    fetch: doFetch,
  }
}

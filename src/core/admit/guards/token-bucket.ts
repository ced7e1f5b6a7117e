/**
 * How fast may requests come? A token bucket, for all of them, for each priority, or for each key. Step 2 of 7.
 *
 * The model: a bucket holds up to `burst` tokens, and gains `perSecond` of them a second; each newcomer takes one. In any
 * stretch of time no more than `burst + perSecond · seconds` come in. The bucket is one number, brought up to date when it
 * is asked, by the time since the last question: no timer.
 *
 * With `over: 'wait'` the number may be negative: so many tokens are promised already, each to one request, in the order in
 * which they came. A promise is not taken back: a request that is cancelled meanwhile leaves its token unused, and those
 * behind it don't move up, since each was told its time once, and came in for it.
 *
 * A token is taken before the bounds are looked at: what is then refused for want of room has had its token.
 */
import { aFunction, isCount, msFromZero, noAnswer, numberThat, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { priorities } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { rounded } from './guard-options.ts'

/** Which bucket a request takes its token from: any string, such as its tenant. */
export type BucketKey<Req = unknown, Metadata = unknown> = (request: Req, metadata: Metadata) => string

export interface TokenBucketOptions<Req = unknown, Metadata = unknown> {
  /** How many may come in each second, on average: greater than 0, fractions allowed. */
  readonly perSecond: number
  /**
   * How many may come at once, after a quiet while: at least 1.
   * @default perSecond, but at least 1
   */
  readonly burst?: number | undefined
  /**
   * Whose rate it is: that of the whole executor, of each priority on its own, or of each key.
   * @default 'executor'
   */
  readonly per?: 'executor' | 'priority' | BucketKey<Req, Metadata> | undefined
  /**
   * What happens to a request over the rate: it is refused, or it waits for its own token. While it waits it counts as
   * waiting for `maxQueueSize`, and its timeouts don't count yet.
   * @default 'refuse'
   */
  readonly over?: 'refuse' | 'wait' | undefined
  /**
   * The longest wait for a token, in ms: a request that would wait longer is refused. Only for `over: 'wait'`.
   * @default 10_000
   */
  readonly maxDelayMs?: number | undefined
  /**
   * How many buckets are kept at once, for `per` a function. Full buckets are forgotten, which changes nothing. If there are
   * too many others, one of the oldest is forgotten too, and its key may burst once more.
   * @default 10_000
   */
  readonly maxKeys?: number | undefined
}

/** A token that is due, but for an error of rounding. */
const ROUNDING = 1e-9

// Not 0 in each ms either.
const perSecondRule = /* @__PURE__ */ numberThat(
  'a finite number greater than 0',
  (value) => value / 1_000 > 0 && Number.isFinite(value),
)

const rules = {
  perSecond: perSecondRule,
  burst: /* @__PURE__ */ numberThat('a finite number of at least 1', (value) => value >= 1 && Number.isFinite(value)),
  per: {
    expected: `'executor', 'priority' or a function`,
    fits: (value: unknown) => value === 'executor' || value === 'priority' || aFunction.fits(value),
  },
  over: { expected: `'refuse' or 'wait'`, fits: (value: unknown) => value === 'refuse' || value === 'wait' },
  maxDelayMs: msFromZero,
  maxKeys: { expected: 'an integer of at least 1', fits: (value: unknown) => isCount(value, 1) },
}

/**
 * Keeps to a rate: `rateLimit: tokenBucket({ perSecond: 50, per: (request, metadata) => metadata.tenant })`. It counts
 * requests that come in, not attempts. If `per` reads them, pass `{ request, metadata }` to `ready()`. One object serves one
 * executor.
 * @throws {OptionsError}
 */
export function tokenBucket<Req = unknown, Metadata = unknown>(
  options: TokenBucketOptions<Req, Metadata>,
): Guard & Reads<Req, Metadata> {
  const given = readGiven<TokenBucketOptions>('tokenBucket', options, rules)
  const { perSecond, per = 'executor', over = 'refuse', maxDelayMs = 10_000, maxKeys = 10_000 } = given
  if (perSecond === undefined) throw new OptionsError('tokenBucket.perSecond', perSecondRule.expected, undefined)
  if (over === 'refuse' && given.maxDelayMs !== undefined) {
    throw new OptionsError('tokenBucket.maxDelayMs', "nothing, unless over is 'wait'", maxDelayMs)
  }
  const buckets = new Buckets(perSecond / 1_000, given.burst ?? Math.max(perSecond, 1), per, maxKeys)
  const refusal = (tokens: number, retryAfterMs: number, wouldAdmit: string): Refusal => ({
    rule: 'tokenBucket',
    compared: { tokens: rounded(tokens), perSecond },
    wouldAdmit,
    retryAfterMs: buckets.wholeMs(retryAfterMs),
  })
  const own = { name: 'tokenBucket', option: 'rateLimit', remembers: true } as const
  if (over === 'refuse') {
    return {
      ...own,
      admit(question) {
        const bucket = buckets.of(question)
        const dueInMs = buckets.dueInMs(bucket)
        if (dueInMs > 0) return refusal(bucket.tokens, dueInMs, 'one for which there is a token')
        if (!question.probe) bucket.tokens--
        return undefined
      },
    }
  }
  return {
    ...own,
    admit(question) {
      const bucket = buckets.of(question)
      const delayMs = buckets.dueInMs(bucket)
      if (delayMs <= maxDelayMs) return undefined
      return refusal(bucket.tokens, delayMs - maxDelayMs, `one whose token is due within ${maxDelayMs} ms`)
    },
    delayMs(question) {
      const bucket = buckets.of(question)
      const delayMs = buckets.dueInMs(bucket)
      if (!question.probe) bucket.tokens--
      return delayMs
    },
  }
}

interface Bucket {
  tokens: number
  /** When `tokens` was right. */
  at: number
}

class Buckets {
  readonly #perMs: number
  readonly #burst: number
  readonly #key: BucketKey | undefined
  readonly #isPerPriority: boolean
  readonly #byTier: readonly Bucket[]
  readonly #byKey = new Map<string, Bucket>()
  readonly #maxKeys: number
  #hand = this.#byKey.entries()

  constructor(perMs: number, burst: number, per: 'executor' | 'priority' | BucketKey, maxKeys: number) {
    this.#perMs = perMs
    this.#burst = burst
    this.#key = typeof per === 'function' ? per : undefined
    this.#isPerPriority = per === 'priority'
    this.#byTier = priorities.map(() => ({ tokens: burst, at: Number.NEGATIVE_INFINITY }))
    this.#maxKeys = maxKeys
  }

  /** The bucket for a request, as it is now. */
  of(question: Readonly<GuardQuestion>): Bucket {
    const { at } = question
    const bucket = this.#find(question)
    bucket.tokens = this.#tokensAt(bucket, at)
    // A clock that has gone back goes on from there: the bucket gains nothing twice, and does not stand still either.
    bucket.at = at
    return bucket
  }

  /** In how many ms there is a whole token in it. */
  dueInMs({ tokens }: Bucket): number {
    const missing = 1 - tokens
    return missing > ROUNDING ? missing / this.#perMs : 0
  }

  /** Whole ms after which it is due: not one more for an error of rounding. */
  wholeMs(dueInMs: number): number {
    return Math.max(Math.ceil(dueInMs - ROUNDING / 2 / this.#perMs), 1)
  }

  #find({ at, tier, request, metadata }: Readonly<GuardQuestion>): Bucket {
    if (this.#key === undefined) return this.#byTier[this.#isPerPriority ? tier : 0] as Bucket
    const key: unknown = this.#key(request, metadata)
    if (typeof key !== 'string') throw noAnswer('tokenBucket.per', 'a function that returns a string', key)
    let bucket = this.#byKey.get(key)
    if (bucket === undefined) {
      this.#makeRoom(at)
      bucket = { tokens: this.#burst, at }
      this.#byKey.set(key, bucket)
    }
    return bucket
  }

  #tokensAt(bucket: Readonly<Bucket>, at: number): number {
    const passedMs = at - bucket.at
    return passedMs > 0 ? Math.min(bucket.tokens + passedMs * this.#perMs, this.#burst) : bucket.tokens
  }

  /** Each new key looks at the next two in turn: full ones go twice as fast as new ones come, at a constant price. */
  #makeRoom(at: number): void {
    for (let looked = 1; looked <= 2; looked++) {
      let next = this.#hand.next()
      if (next.done) {
        this.#hand = this.#byKey.entries()
        next = this.#hand.next()
        if (next.done) return
      }
      const [key, bucket] = next.value
      const isCrowded = looked === 2 && this.#byKey.size >= this.#maxKeys
      if (isCrowded || this.#tokensAt(bucket, at) >= this.#burst) this.#byKey.delete(key)
    }
  }
}

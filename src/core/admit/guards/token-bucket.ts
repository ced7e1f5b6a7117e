/**
 * How fast may requests come, or start? A token bucket, for all of them, for each priority, or for each key. Step 2 of 7.
 *
 * The model: a bucket holds up to `burst` tokens, and gains `perSecond` of them a second; each newcomer takes one, or each start
 * does. In any stretch of time no more than `burst + perSecond · seconds` come in, or start. The bucket is one number, brought up
 * to date when it is asked, by the time since the last question: no timer.
 *
 * `spread` is the same with a bucket of one token, of which a start needs that one, and takes its weight: so the number may be
 * negative, and the next start is due when it is whole again.
 *
 * A newcomer's token is taken before the bounds are looked at: what is then refused for want of room has had its token. A start
 * takes its token when it has its slot, so that no other ever waits for a token that nobody uses.
 */
import { aFunction, isCount, noAnswer, numberThat, readGiven, yesOrNo } from '../../checks.ts'
import { InvalidRequestError, OptionsError } from '../../errors.ts'
import { priorities } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { rounded } from './guard-options.ts'

/** Which bucket a request takes its token from: any string, such as its tenant. */
export type BucketKey<Req = unknown, Metadata = unknown> = (request: Req, metadata: Metadata) => string

/** How many tokens a request takes: a finite number greater than 0. */
type TokenWeight<Req = unknown, Metadata = unknown> = (request: Req, metadata: Metadata) => number

export interface TokenBucketOptions<Req = unknown, Metadata = unknown> {
  /** How many may come in or start each second, on average: greater than 0, fractions allowed. */
  readonly perSecond: number
  /**
   * How many may come in or start at once, after a quiet while: at least 1. Left out with `spread`.
   * @default perSecond, but at least 1
   */
  readonly burst?: number | undefined
  /**
   * True: one after the other, evenly spaced, in place of a burst. After one of weight n there are n spaces.
   * @default false
   */
  readonly spread?: boolean | undefined
  /**
   * Whose rate it is: that of the whole executor, of each priority on its own, or of each key.
   * @default 'executor'
   */
  readonly per?: 'executor' | 'priority' | BucketKey<Req, Metadata> | undefined
  /**
   * How many tokens a request takes: with tokens a minute of a model, for example, its own. One that takes more than `burst` is
   * refused with an `InvalidRequestError`.
   * @default 1 for each
   */
  readonly weight?: TokenWeight<Req, Metadata> | undefined
  /**
   * What the rate is of. `'refuse'`: of arrivals; a request over it is refused. `'wait'`: of starts, each attempt of a request; a
   * request over it waits, and the first in the order has the next token. It counts as waiting, and so do its timeouts.
   * @default 'refuse'
   */
  readonly over?: 'refuse' | 'wait' | undefined
  /**
   * The longest wait for a token, in ms, as it is foretold when a request comes: from the tokens of those that go before it in the
   * order. A request that would wait longer is refused. Only for `over: 'wait'`.
   * @default Infinity
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
  spread: yesOrNo,
  per: {
    expected: `'executor', 'priority' or a function`,
    fits: (value: unknown) => value === 'executor' || value === 'priority' || aFunction.fits(value),
  },
  weight: aFunction,
  over: { expected: `'refuse' or 'wait'`, fits: (value: unknown) => value === 'refuse' || value === 'wait' },
  maxDelayMs: /* @__PURE__ */ numberThat('a number of ms of at least 0', (value) => value >= 0),
  maxKeys: { expected: 'an integer of at least 1', fits: (value: unknown) => isCount(value, 1) },
}

/**
 * Keeps to a rate: `rateLimit: tokenBucket({ perSecond: 50, per: (request, metadata) => metadata.tenant })` of requests that come
 * in; with `over: 'wait'` of those that start. If `per` or `weight` reads them, pass `{ request, metadata }` to `ready()`. One
 * object serves one executor.
 * @throws {OptionsError}
 */
export function tokenBucket<Req = unknown, Metadata = unknown>(
  options: TokenBucketOptions<Req, Metadata>,
): Guard & Reads<Req, Metadata> {
  const given = readGiven<TokenBucketOptions>('tokenBucket', options, rules)
  const {
    perSecond,
    per = 'executor',
    over = 'refuse',
    maxDelayMs = Number.POSITIVE_INFINITY,
    maxKeys = 10_000,
  } = given
  const { spread = false, weight } = given
  if (perSecond === undefined) throw new OptionsError('tokenBucket.perSecond', perSecondRule.expected, undefined)
  if (over === 'refuse' && given.maxDelayMs !== undefined) {
    throw new OptionsError('tokenBucket.maxDelayMs', "nothing, unless over is 'wait'", maxDelayMs)
  }
  if (spread && given.burst !== undefined) {
    throw new OptionsError('tokenBucket.burst', 'nothing where starts are spread', given.burst)
  }
  const burst = spread ? 1 : (given.burst ?? Math.max(perSecond, 1))
  const buckets = new Buckets(perSecond / 1_000, burst, per, maxKeys)
  const weightOf = (question: Readonly<GuardQuestion>): number => {
    const tokens: unknown = weight === undefined ? 1 : weight(question.request, question.metadata)
    if (!(typeof tokens === 'number' && tokens > 0 && Number.isFinite(tokens))) {
      throw noAnswer('tokenBucket.weight', 'a function that returns a finite number greater than 0', tokens)
    }
    if (tokens <= burst || spread) return tokens
    throw new InvalidRequestError(
      [{ message: `it takes ${tokens} tokens, and tokenBucket.burst is ${burst}` }],
      undefined,
      'It can never start',
    )
  }
  /** In how many ms one may have its tokens, after so many others. */
  const dueInMs = (bucket: Bucket, tokens: number, ahead: number): number =>
    buckets.dueInMs(bucket, (spread ? 1 : tokens) + ahead)
  const refusal = (tokens: number, retryAfterMs: number, wouldAdmit: string): Refusal => ({
    rule: 'tokenBucket',
    compared: { tokens: rounded(tokens), perSecond },
    wouldAdmit,
    retryAfterMs: buckets.wholeMs(retryAfterMs),
  })
  const key = typeof per === 'function' && { key: per }
  const own = { name: 'tokenBucket', option: 'rateLimit', remembers: true, ...key } as const
  if (over === 'refuse') {
    return {
      ...own,
      admit(question) {
        const tokens = weightOf(question)
        const bucket = buckets.of(buckets.keyOf(question), question.at)
        const delayMs = dueInMs(bucket, tokens, 0)
        if (delayMs > 0) return refusal(bucket.tokens, delayMs, 'one for which there is a token')
        if (!question.probe) bucket.tokens -= tokens
        return undefined
      },
    }
  }
  const starts = {
    ...own,
    bucket: (question: Readonly<GuardQuestion>) => buckets.keyOf(question),
    tokens: weightOf,
    tokensInMs: (question: Readonly<GuardQuestion>) =>
      dueInMs(buckets.of(question.bucket, question.at), question.tokens, question.tokensAhead),
    started: (question: Readonly<GuardQuestion>) => {
      buckets.of(question.bucket, question.at).tokens -= question.tokens
    },
  }
  if (maxDelayMs === Number.POSITIVE_INFINITY) return starts
  return {
    ...starts,
    admit(question) {
      const bucket = buckets.of(question.bucket, question.at)
      const delayMs = dueInMs(bucket, question.tokens, question.tokensAhead)
      if (delayMs <= maxDelayMs) return undefined
      return refusal(
        bucket.tokens - question.tokensAhead,
        delayMs - maxDelayMs,
        `one whose token is due within ${maxDelayMs} ms`,
      )
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

  /** Which bucket a request takes its tokens from: a key, since a full bucket may be forgotten and made again. */
  keyOf({ tier, request, metadata }: Readonly<GuardQuestion>): string | number {
    if (this.#key === undefined) return this.#isPerPriority ? tier : 0
    const key: unknown = this.#key(request, metadata)
    if (typeof key !== 'string') throw noAnswer('tokenBucket.per', 'a function that returns a string', key)
    return key
  }

  /** A bucket as it is now. */
  of(key: unknown, at: number): Bucket {
    const bucket = this.#find(key as string | number, at)
    bucket.tokens = this.#tokensAt(bucket, at)
    // A clock that has gone back goes on from there: the bucket gains nothing twice, and does not stand still either.
    bucket.at = at
    return bucket
  }

  /** In how many ms there are so many tokens in it; not more for an error of rounding. */
  dueInMs({ tokens }: Bucket, needed: number): number {
    const missing = needed - tokens
    return missing > ROUNDING ? (missing - ROUNDING / 2) / this.#perMs : 0
  }

  /** Whole ms after which it is due. */
  wholeMs(dueInMs: number): number {
    return Math.max(Math.ceil(dueInMs), 1)
  }

  #find(key: string | number, at: number): Bucket {
    if (typeof key === 'number') return this.#byTier[key] as Bucket
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

/**
 * Who is refused first when too much comes? The least urgent, and of those always the same few. Step 2 of 7.
 *
 * How many to refuse follows from how many wait before a newcomer, compared with the slots L, as in failsafe-go:
 *
 *     ratio = (ahead − 2 L) / (3 L − 2 L), from 0 to 1;  at 3 L the door is shut
 *
 * Whom to refuse follows from who has come lately, as in Uber's Cinnamon. Each has a standing: its tier, and in it one of 128
 * cohorts, by a stable hash of its caller. A newcomer is refused if the part of the last 1,000 that stands below it is less
 * than the ratio: so that part is refused of what comes, from the bottom up. A caller who is refused is refused again
 * while it lasts, and the others notice nothing; were each caller refused a little, none would be served well.
 *
 * Only those who wait *before* a newcomer count, its own tier and those above. What waits below does not delay it: a flood of
 * LOW never keeps URGENT out, and URGENT is the last to be refused. Slots that are free are taken off.
 *
 * Nothing is random. Without `cohort` those of a tier are spread evenly over the cohorts, in the order in which they come.
 *
 * @see https://www.uber.com/blog/cinnamon-using-century-old-tech-to-build-a-mean-load-shedder/
 * @see https://failsafe-go.dev/execution-prioritization/
 */
import { aFunction, isCount, noAnswer, numberThat, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { TIERS } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { fromZero, rounded } from './guard-options.ts'

export interface ShedByPriorityOptions<Req = unknown, Metadata = unknown> {
  /**
   * How many may wait before a newcomer, for each slot, until some are refused: at least 0.
   * @default 2
   */
  readonly softFactor?: number | undefined
  /**
   * How many may wait before it, for each slot, until all are refused: greater than `softFactor`.
   * @default 1.5 × softFactor
   */
  readonly hardFactor?: number | undefined
  /**
   * The part of the requests to be refused that comes in all the same, unless all are refused: a number from 0 to less than 1.
   * So each caller learns now and then whether things have become better.
   * @default 0.01
   */
  readonly trickle?: number | undefined
  /**
   * How many of the last newcomers are looked at: an integer from 1 to 100_000.
   * @default 1_000
   */
  readonly memory?: number | undefined
  /** Whose request it is: the requests of one caller are refused together. Any string. */
  readonly cohort?: ((request: Req, metadata: Metadata) => string) | undefined
}

const COHORTS = 128

const rules = {
  softFactor: fromZero,
  hardFactor: fromZero,
  trickle: /* @__PURE__ */ numberThat('a number from 0 to less than 1', (value) => value >= 0 && value < 1),
  memory: { expected: 'an integer from 1 to 100_000', fits: (value: unknown) => isCount(value, 1) && value <= 100_000 },
  cohort: aFunction,
}

/**
 * Refuses the least urgent requests when more come than can be served: `overload: shedByPriority()`. One object serves one executor.
 * @throws {OptionsError}
 */
export function shedByPriority<Req = unknown, Metadata = unknown>(
  options: ShedByPriorityOptions<Req, Metadata> = {},
): Guard & Reads<Req, Metadata> {
  const given = readGiven<ShedByPriorityOptions>('shedByPriority', options, rules)
  const { softFactor = 2, hardFactor = 1.5 * softFactor, trickle = 0.01, memory = 1_000, cohort } = given
  if (!(hardFactor > softFactor)) {
    throw new OptionsError('shedByPriority.hardFactor', `greater than softFactor (${softFactor})`, hardFactor)
  }
  return new ShedByPriority(softFactor, hardFactor, trickle, memory, cohort)
}

class ShedByPriority implements Guard {
  readonly name = 'shedByPriority'
  readonly option = 'overload'
  readonly remembers = true
  readonly #soft: number
  readonly #hard: number
  readonly #trickle: number
  readonly #cohort: ShedByPriorityOptions['cohort']
  readonly #recent: Recent
  /** How many have come, by tier: their cohorts follow from it. */
  readonly #seen = new Array<number>(TIERS).fill(0)
  /** How much of a request the trickle owes. */
  #owed = 0

  constructor(soft: number, hard: number, trickle: number, memory: number, cohort: ShedByPriorityOptions['cohort']) {
    this.#soft = soft
    this.#hard = hard
    this.#trickle = trickle
    this.#cohort = cohort
    this.#recent = new Recent(memory)
  }

  admit(question: Readonly<GuardQuestion>): Refusal | undefined {
    const { ahead, concurrency, free, tier, probe } = question
    const key = tier * COHORTS + this.#cohortOf(question)
    if (!probe) this.#recent.add(key)
    const before = ahead - free
    const soft = this.#soft * concurrency
    if (before <= soft) return undefined
    const hard = this.#hard * concurrency
    if (before >= hard) {
      return this.#refusal(question, 1, `one that fewer than ${rounded(hard)} wait before`)
    }
    const ratio = (before - soft) / (hard - soft)
    if (this.#recent.below(key) >= ratio) return undefined
    const owed = this.#owed + this.#trickle
    if (!probe) this.#owed = owed >= 1 ? owed - 1 : owed
    if (owed >= 1) return undefined
    return this.#refusal(question, ratio, `a more urgent one, or one that at most ${rounded(soft)} wait before`)
  }

  #refusal({ ahead, concurrency }: Readonly<GuardQuestion>, ratio: number, wouldAdmit: string): Refusal {
    return { rule: this.name, compared: { ahead, concurrency, rejectionRatio: rounded(ratio) }, wouldAdmit }
  }

  #cohortOf({ tier, request, metadata, probe }: Readonly<GuardQuestion>): number {
    if (this.#cohort === undefined) {
      const seen = this.#seen[tier] as number
      if (!probe) this.#seen[tier] = (seen + 1) % COHORTS
      // An odd step through all cohorts, near to the golden ratio of them: each stretch is spread evenly.
      return (seen * 79) % COHORTS
    }
    const caller: unknown = this.#cohort(request, metadata)
    if (typeof caller !== 'string') {
      throw noAnswer('shedByPriority.cohort', 'a function that returns a string', caller)
    }
    return cohortOf(caller)
  }
}

/** The standing of those who came last: how many of each. The smaller a key, the more urgent. */
class Recent {
  readonly #keys: Uint16Array
  readonly #counts = new Uint32Array(TIERS * COHORTS)
  readonly #countsByTier = new Uint32Array(TIERS)
  #next = 0
  #size = 0

  constructor(memory: number) {
    this.#keys = new Uint16Array(memory)
  }

  add(key: number): void {
    if (this.#size === this.#keys.length) this.#count(this.#keys[this.#next] as number, -1)
    else this.#size++
    this.#keys[this.#next] = key
    this.#count(key, 1)
    this.#next = (this.#next + 1) % this.#keys.length
  }

  /** Which part of them is less urgent than a key. */
  below(key: number): number {
    const tier = Math.floor(key / COHORTS)
    let below = 0
    for (let t = tier + 1; t < TIERS; t++) below += this.#countsByTier[t] as number
    for (let k = key + 1; k < (tier + 1) * COHORTS; k++) below += this.#counts[k] as number
    return below / this.#size
  }

  #count(key: number, by: 1 | -1): void {
    const tier = Math.floor(key / COHORTS)
    this.#counts[key] = (this.#counts[key] as number) + by
    this.#countsByTier[tier] = (this.#countsByTier[tier] as number) + by
  }
}

/** The same cohort for the same caller, in every process: FNV-1a, whose upper bits are mixed into the lower. */
function cohortOf(caller: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < caller.length; i++) hash = Math.imul(hash ^ caller.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 15
  return (hash ^ (hash >>> 7)) & (COHORTS - 1)
}

/**
 * The order of all that waits: one line per priority, and a policy that says which head goes first. Step 3 of 7.
 *
 * It is a heap of ranks in the sense of the abstract data type: the smallest leaves first, anything can leave from the
 * middle, and a rank may change. Its body is four sorted lines (see tier.ts), since ranks mostly only grow within a
 * priority: adding and taking the first are O(1) then, all else is O(log n) plus one shift within a small block.
 *
 * `questions.ts` asks the policy and tells it; `strict()` is not even asked.
 */
import { type ByPriority, byPriority, TIERS } from '../priority.ts'
import { bySequence, type OrderPolicy, strict, type Turns } from './order.ts'
import { type Questioned, Questions } from './questions.ts'
import { type Ranked, Tier } from './tier.ts'

/** What waits: a request with its place. */
export interface QueueEntry extends Ranked, Questioned {
  tier: number
}

/** Where one stands, or would stand. */
export interface Place extends Newcomer {
  readonly sequence: number
}

/** One who comes, and stands nowhere yet. */
export interface Newcomer {
  readonly tier: number
  readonly timedFrom: number
  readonly rank: number
}

export class Tiers<E extends QueueEntry> {
  readonly #tiers: readonly Tier<E>[] = Array.from({ length: TIERS }, () => new Tier<E>())
  readonly #order: OrderPolicy
  readonly #questions: Questions
  readonly #across: boolean
  readonly #turns: Turns | undefined
  readonly #isStrict: boolean
  /** Those that are set aside, and keep their places in the order. */
  readonly #aside: readonly Tier<E>[] = Array.from({ length: TIERS }, () => new Tier<E>())
  #sequence = 0
  #asked = 0
  /** How many wait. */
  size = 0

  /** @param report is told what the policy throws when it is told something; its ranks are the caller's to deal with */
  constructor(order: OrderPolicy = strict(), report?: (error: unknown) => void) {
    this.#order = order
    this.#questions = new Questions(order, report)
    this.#across = order.acrossTiers === true
    this.#turns = order.turns
    this.#isStrict = order.rank === bySequence
  }

  /** How many wait in a tier. */
  sizeAt(tier: number): number {
    return (this.#tiers[tier] as Tier<E>).size
  }

  sizes(): ByPriority<number> {
    return byPriority((tier) => (this.#tiers[tier] as Tier<E>).size)
  }

  /** Does the order compare across tiers? */
  get comparesTiers(): boolean {
    return this.#across
  }

  /** Is a policy asked for ranks? It may throw, and may do anything meanwhile. */
  get asksRanks(): boolean {
    return !this.#isStrict
  }

  /** Is the policy told of slots that come free? */
  get hearsReturns(): boolean {
    return this.#order.settled !== undefined
  }

  /** The rank of a newcomer, who stands nowhere yet; or what the policy throws. */
  rankOf(entry: E): number {
    const sequence = ++this.#sequence
    const rank = this.#questions.rank(entry, entry.tier, sequence, entry.timedFrom)
    this.#asked = sequence
    return rank
  }

  /** Gives an entry its sequence, and puts it in its place. */
  add(entry: E, rank = this.#isStrict ? this.#next() : this.rankOf(entry)): void {
    entry.sequence = this.#asked
    this.#place(entry, rank)
  }

  /** The sequence of the newcomer whose rank was asked for last. It is said again when others may have come meanwhile. */
  get asked(): number {
    return this.#asked
  }

  set asked(sequence: number) {
    this.#asked = sequence
  }

  /** A newcomer whose rank was asked for last does not come in. */
  refuses(entry: E, rank: number, tier = entry.tier): void {
    // It may stand in another line, and keeps its sequence there.
    this.left(entry, tier, rank, this.#asked)
  }

  #next(): number {
    this.#asked = ++this.#sequence
    return this.#asked
  }

  /** Puts an entry back that had left, with the rank of its admission. */
  addAgain(entry: E): void {
    this.#place(entry, entry.rank)
  }

  /** Tells the order policy that an entry starts. */
  started(entry: E): void {
    if (this.#order.started !== undefined) {
      this.#questions.tell(entry, entry.tier, entry.sequence, (it) => this.#order.started?.(it, entry.rank))
    }
  }

  /** Tells the order policy that the slot of one that had started is free. */
  settled(entry: E, runMs: number): void {
    this.#questions.tell(entry, entry.tier, entry.sequence, (it) => this.#order.settled?.(it, entry.rank, runMs))
  }

  /** Tells the order policy that an entry will not start, or not with this rank. */
  left(entry: E, tier = entry.tier, rank = entry.rank, sequence = entry.sequence): void {
    if (this.#order.left !== undefined) {
      this.#questions.tell(entry, tier, sequence, (it) => this.#order.left?.(it, rank))
    }
  }

  /** The entry that goes first. */
  head(): E | undefined {
    return this.#nextLine()?.first()
  }

  /** Does the head of one tier go before that of another? */
  goesBefore(one: E, other: E): boolean {
    if (!this.#across) return one.tier < other.tier
    if (this.#turns === undefined) return isBefore(one, other)
    const [turn, turnOfOther] = [this.#firstTurnOf(one.tier), this.#firstTurnOf(other.tier)]
    return turn < turnOfOther || (turn === turnOfOther && one.tier < other.tier)
  }

  /** Whoever is tried where nobody stands has not brought its turn yet: it comes after all. */
  #firstTurnOf(tier: number): number {
    return this.sizeAt(tier) === 0 ? Number.POSITIVE_INFINITY : (this.#turns as Turns).at(tier, 0)
  }

  /** Takes the entry that goes first: it starts. */
  shift(): E | undefined {
    if (this.size === 0) return undefined
    const entry = (this.#nextLine() as Tier<E>).shift() as E
    this.size--
    if (this.#turns !== undefined) this.#turns.started(entry.tier)
    return entry
  }

  /** Takes an entry, also one that does not go first: it starts. */
  take(entry: E): void {
    const line = this.#tiers[entry.tier] as Tier<E>
    if (line.first() === entry) line.shift()
    else line.remove(entry)
    this.size--
    if (this.#turns !== undefined) this.#turns.started(entry.tier)
  }

  /**
   * The entry that goes last of all, if a newcomer would go before it; never one that has come back for another attempt.
   * @param newcomer its tier, when it has come, and its rank: Infinity, if that is behind all of its tier
   * @param skips tiers in which there is none to be found
   */
  lastBehind(newcomer: Newcomer, skips: (tier: number) => boolean): E | undefined {
    if (this.#turns !== undefined) return this.#lastTurnBehind(newcomer, this.#turns, skips)
    let last: E | undefined
    for (let t = TIERS - 1; t >= (this.#across ? 0 : newcomer.tier); t--) {
      const entry = skips(t) ? undefined : this.#lastOf(t)
      if (entry === undefined) continue
      if (!this.#across && t > newcomer.tier) return entry
      if (last === undefined || this.goesBefore(last, entry)) last = entry
    }
    return last !== undefined && newcomer.rank < last.rank ? last : undefined
  }

  /** Whoever brings a turn leaves the tier with the last turn of all one behind it: the last of that tier goes last of all. */
  #lastTurnBehind({ tier, timedFrom, rank }: Newcomer, turns: Turns, skips: (tier: number) => boolean): E | undefined {
    let last: E | undefined
    let latest = turns.lastWith(tier, timedFrom)
    const own = this.#lastOf(tier)
    if (own !== undefined && rank < own.rank) last = own
    for (let t = 0; t < TIERS; t++) {
      const entry = t === tier || skips(t) ? undefined : this.#lastOf(t)
      if (entry === undefined) continue
      const line = this.#tiers[t] as Tier<E>
      const turn = turns.at(t, entry === line.last() ? line.size - 1 : line.countBefore(entry))
      // Of equal turns that of the lower tier is last.
      if (turn < latest || (turn === latest && t < (last?.tier ?? tier))) continue
      latest = turn
      last = entry
    }
    return last
  }

  /** The last of a tier that has not come back for another attempt. */
  #lastOf(tier: number): E | undefined {
    const line = this.#tiers[tier] as Tier<E>
    const last = line.last()
    if (last === undefined || !isBack(last)) return last
    for (const entry of line.backwards()) if (!isBack(entry)) return entry
    return undefined
  }

  /** The first entry of a tier. */
  firstAt(tier: number): E | undefined {
    return (this.#tiers[tier] as Tier<E>).first()
  }

  /** Takes an entry out that stands here, and does not start. */
  delete(entry: E): void {
    this.size--
    ;(this.#tiers[entry.tier] as Tier<E>).remove(entry)
    if (this.#turns !== undefined) this.#turns.left(entry.tier, entry.timedFrom)
  }

  /** Sets an entry aside that stands here: others may go first, but it keeps its place in the order. */
  setAside(entry: E): void {
    const { tier } = entry
    this.size--
    ;(this.#tiers[tier] as Tier<E>).remove(entry)
    this.asideAt(tier).add(entry)
    const turns = this.#turns
    if (turns === undefined) return
    if (turns.setAside === undefined) turns.left(tier, entry.timedFrom)
    else turns.setAside(tier)
  }

  /** One that was set aside stands here again. */
  bringBack(entry: E): void {
    const { tier } = entry
    this.size++
    this.asideAt(tier).remove(entry)
    ;(this.#tiers[tier] as Tier<E>).add(entry)
    const turns = this.#turns
    if (turns === undefined) return
    if (turns.broughtBack === undefined) turns.came(tier, entry.timedFrom)
    else turns.broughtBack(tier)
  }

  /** One that was set aside leaves. */
  deleteAside(entry: E): void {
    this.asideAt(entry.tier).remove(entry)
    if (this.#turns?.setAside !== undefined) this.#turns.leftAside?.(entry.tier)
  }

  /**
   * The last of those that are set aside, of the lowest tier that has some; never one that has come back for another attempt.
   * @param newcomer if it has no token either, only one that it would go before
   * @param isOne says which of them are looked at
   */
  lastAside(
    newcomer: Newcomer & { readonly lacksTokens: boolean },
    skips: (tier: number) => boolean,
    isOne: (entry: E) => boolean,
  ): E | undefined {
    const { tier, rank, lacksTokens } = newcomer
    for (let t = TIERS - 1; t >= tier; t--) {
      if (skips(t)) continue
      for (const entry of this.asideAt(t).backwards()) {
        if (isBack(entry) || !isOne(entry)) continue
        if (lacksTokens && (t === tier || this.#across) && rank >= entry.rank) break
        return entry
      }
    }
    return undefined
  }

  /** Those of a tier that are set aside, in their order. */
  asideAt(tier: number): Tier<E> {
    return this.#aside[tier] as Tier<E>
  }

  /** The first of a tier, also if it is set aside. */
  firstOf(tier: number): E | undefined {
    const first = this.firstAt(tier)
    const aside = this.asideAt(tier).first()
    if (first === undefined || aside === undefined) return first ?? aside
    return isBefore(aside, first) ? aside : first
  }

  /** Moves an entry to another tier, under its own sequence; also one that does not stand here at the moment. */
  move(entry: E, tier: number, admittedAt: number): void {
    if (tier === entry.tier) return
    // An order policy that throws must not lose the entry.
    const rank = this.rankIn(tier, entry, admittedAt)
    const { tier: oldTier, rank: oldRank } = entry
    this.moveTo(tier, entry, rank)
    this.left(entry, oldTier, oldRank)
  }

  /** The rank that an entry would have in another tier; or what the policy throws. */
  rankIn(tier: number, entry: E, admittedAt = entry.timedFrom): number {
    return this.#isStrict ? entry.sequence : this.#questions.rank(entry, tier, entry.sequence, admittedAt)
  }

  /** Moves an entry to another tier, with its rank there. The policy is not told yet. */
  moveTo(tier: number, entry: E, rank: number): void {
    const stands = entry.block !== undefined
    if (stands) this.delete(entry)
    entry.tier = tier
    entry.rank = rank
    if (stands) this.#place(entry, rank)
  }

  /** How many go before an entry, those included that are set aside. */
  countBefore(entry: E): number {
    const counts = this.countsBefore(entry)
    return counts.reduce((sum, count, tier) => sum + count + this.#countAsideBefore(tier, entry, count), 0)
  }

  /** How many of each tier go before an entry, or before a newcomer who would stand there. */
  countsBefore(place: Place): readonly number[] {
    const turns = this.#turns
    const index = (this.#tiers[place.tier] as Tier<E>).countBefore(place)
    if (turns === undefined) {
      return this.#tiers.map((line, tier) => {
        if (tier === place.tier) return index
        if (this.#across) return line.countBefore(place)
        return tier < place.tier ? line.size : 0
      })
    }
    // Of each other tier all turns before the one that is then its own.
    const isLast = index === this.sizeAt(place.tier)
    const turn = isLast ? turns.lastWith(place.tier, place.timedFrom) : turns.at(place.tier, index)
    return this.#tiers.map((_, tier) =>
      tier === place.tier ? index : turns.countBefore(tier, turn, tier < place.tier),
    )
  }

  /**
   * How many of those of a tier that are set aside go before a place.
   * @param standing how many of those that stand there do: with turns, it is the same part of either
   */
  #countAsideBefore(tier: number, place: Place, standing: number): number {
    const aside = this.asideAt(tier)
    if (aside.size === 0) return 0
    if (tier === place.tier || (this.#across && this.#turns === undefined)) return aside.countBefore(place)
    if (this.#turns === undefined) return tier < place.tier ? aside.size : 0
    const size = this.sizeAt(tier)
    return size === 0 ? aside.size : Math.floor((aside.size * standing) / size)
  }

  /** Which part of each tier goes before a place, those included that are set aside: from 0 to 1. */
  partsBefore(place: Place): readonly number[] {
    return this.countsBefore(place).map((count, tier) => {
      const size = this.sizeAt(tier) + this.asideAt(tier).size
      return size === 0 ? 0 : (count + this.#countAsideBefore(tier, place, count)) / size
    })
  }

  /** Those of a tier, in their order. */
  line(tier: number): Iterable<E> {
    return this.#tiers[tier] as Tier<E>
  }

  /** All entries, by tier and in the order of each. */
  *entries(): Generator<E> {
    for (const tier of this.#tiers) yield* tier
  }

  /** Those that are set aside. */
  *asides(): Generator<E> {
    for (const tier of this.#aside) yield* tier
  }

  /** The line that the next one stands in. */
  #nextLine(): Tier<E> | undefined {
    if (!this.#across) return this.#firstLine()
    let best: E | undefined
    for (const line of this.#tiers) {
      const head = line.first()
      if (head !== undefined && (best === undefined || this.goesBefore(head, best))) best = head
    }
    return best === undefined ? undefined : this.#tiers[best.tier]
  }

  /** The line of the most urgent tier in which anything waits. */
  #firstLine(): Tier<E> | undefined {
    for (let t = 0; t < TIERS; t++) {
      const line = this.#tiers[t] as Tier<E>
      if (line.size > 0) return line
    }
    return undefined
  }

  #place(entry: E, rank: number): void {
    entry.rank = rank
    this.size++
    ;(this.#tiers[entry.tier] as Tier<E>).add(entry)
    if (this.#turns !== undefined) this.#turns.came(entry.tier, entry.timedFrom)
  }
}

/** Two of one tier, or two whose ranks are compared across tiers. */
export function isBefore(one: Omit<Ranked, 'block'>, other: Omit<Ranked, 'block'>): boolean {
  return one.rank < other.rank || (one.rank === other.rank && one.sequence < other.sequence)
}

function isBack({ attempt }: QueueEntry): boolean {
  return attempt !== undefined && attempt > 1
}

/**
 * What do two policies do together? A small load, the same for each pair, and what became of it; and which pairs don't go
 * together: those in which one of the two no longer keeps what it keeps alone.
 *
 * `npm run prove:mixes -- --pairs` prints the table of `docs/policies.md`, and with `--write` it writes it there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import {
  adaptive,
  aging,
  backoff,
  circuitBreaker,
  codel,
  earliestDeadlineFirst,
  fairBy,
  type Guard,
  meetsDeadline,
  type QueuedExecutorOptions,
  shedByPriority,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { pressure } from 'triage-queue/pressure'
import { maxMin } from '../support/max-min.ts'
import { seeded } from '../support/seeded.ts'
import { type Counts, type Job, type Load, type Played, play, sum } from './support/play.ts'

/**
 * 4 slots, runs of 100 ms: 40 requests a second. URGENT asks for 0.3 of that, HIGH for 0.2, NORMAL for 1.2, LOW for 0.8. The quiet
 * tenant asks for 0.15 in NORMAL, where 0.5 is left for it and the noisy one. 2 s of work may wait.
 */
const load: Load = {
  ...{ seed: 1, slots: 4, runs: 'exponential', meanRunMs: 100 },
  loads: { byTier: [0.3, 0.2, 1.2, 0.8], quiet: [0, 0, 0.15, 0] },
  ...{ limitsMs: [1_000, 1_000, 2_000, 4_000], limitSpread: 0.5, isTold: true, failing: 0, arrivals: 2_400 },
}
const PLACES = 80
const PER_SECOND = 40
const LOW_RESERVED = 1 / 4

type Options = QueuedExecutorOptions<Job>
type Kind = 'order' | 'guard' | 'reserve' | 'retry' | 'limit'

interface Policy {
  readonly name: string
  readonly kind: Kind
  /** Made anew for each run: policies remember. */
  readonly options: () => Options
  /** What it keeps alone, and has to keep in company. */
  readonly keeps: readonly Kept[]
}

/** What was seen of one run, in parts of 1. */
interface Seen {
  /** In time: of URGENT, of the quiet tenant, of LOW. */
  readonly urgent: number
  readonly quiet: number
  readonly low: number
  /** Of all slots' time, the part spent on answers in time. */
  readonly useful: number
  /** How far the tier that is furthest from its weighted share is off it. */
  readonly offShare: number
  /** The part of the answers that the tier with the fewest has. */
  readonly least: number
  /** The part of the capacity that went to LOW. */
  readonly lowOfCapacity: number
  /** The part of URGENT that was answered without an error. */
  readonly succeeded: number
}

interface Kept {
  readonly what: string
  readonly of: keyof Seen
  readonly atLeast?: number
  readonly atMost?: number
}

const urgentFirst: Kept = { what: 'URGENT in time', of: 'urgent', atLeast: 0.99 }
const inTime: Kept = { what: 'slots’ time spent on answers in time', of: 'useful', atLeast: 0.75 }
const byShare: Kept = { what: 'furthest from its share', of: 'offShare', atMost: 0.1 }
const toTenant: Kept = { what: 'the quiet tenant in time', of: 'quiet', atLeast: 0.95 }
const starvesNone: Kept = { what: 'answers of the tier with the fewest', of: 'least', atLeast: 0.005 }
const lowHasSlot: Kept = { what: 'capacity that LOW has', of: 'lowOfCapacity', atLeast: 0.9 * LOW_RESERVED }
const triesAgain: Kept = { what: 'URGENT answered without an error', of: 'succeeded', atLeast: 0.99 }

const byTenant = () => fairBy((job: Job) => job.tenant)
/** So that a tier is due within the load's time limits. */
const targets = { high: 250, normal: 500, low: 1_000 }

const orders: readonly Policy[] = [
  { name: 'strict()', kind: 'order', options: () => ({}), keeps: [urgentFirst] },
  { name: 'aging()', kind: 'order', options: () => ({ order: aging(targets) }), keeps: [starvesNone] },
  { name: 'weighted()', kind: 'order', options: () => ({ order: weighted() }), keeps: [byShare] },
  {
    name: 'earliestDeadlineFirst()',
    kind: 'order',
    options: () => ({ order: earliestDeadlineFirst() }),
    keeps: [urgentFirst, inTime],
  },
  { name: 'fairBy()', kind: 'order', options: () => ({ order: byTenant() }), keeps: [urgentFirst, toTenant] },
  {
    name: 'aging(), fairBy() within',
    kind: 'order',
    options: () => ({ order: aging(targets, { within: byTenant() }) }),
    keeps: [starvesNone, toTenant],
  },
  {
    name: 'weighted(), fairBy() within',
    kind: 'order',
    options: () => ({ order: weighted({}, { within: byTenant() }) }),
    keeps: [byShare, toTenant],
  },
]

function guard(name: string, make: () => Guard, keeps: readonly Kept[]): Policy {
  return { name, kind: 'guard', options: () => ({ overload: make() }), keeps }
}

function rate(name: string, make: () => Guard, keeps: readonly Kept[]): Policy {
  return { name, kind: 'guard', options: () => ({ rateLimit: make() }), keeps }
}

const guards: readonly Policy[] = [
  guard('codel()', () => codel(), [inTime]),
  guard('meetsDeadline()', () => meetsDeadline(), [inTime]),
  guard('shedByPriority()', () => shedByPriority(), [urgentFirst, inTime]),
  guard('circuitBreaker()', () => circuitBreaker(), []),
  guard('pressure()', () => halfOfTheTime(), [urgentFirst]),
  rate('tokenBucket()', () => tokenBucket({ perSecond: PER_SECOND }), []),
  rate(`tokenBucket(), per priority`, () => tokenBucket({ perSecond: PER_SECOND / 2, per: 'priority' }), [urgentFirst]),
  rate(`tokenBucket(), over: 'wait'`, () => tokenBucket({ perSecond: 0.9 * PER_SECOND, over: 'wait' }), [urgentFirst]),
]

const reserves: readonly Policy[] = [
  { name: 'reserve: urgent', kind: 'reserve', options: () => ({ reserve: { urgent: 1 } }), keeps: [urgentFirst] },
  { name: 'reserve: low', kind: 'reserve', options: () => ({ reserve: { low: 1 } }), keeps: [lowHasSlot] },
]

/** One call in ten fails. */
const retries: readonly Policy[] = [
  {
    name: 'backoff()',
    kind: 'retry',
    options: () => ({ retry: backoff({ baseMs: 20, budget: 1, random: seeded(3) }) }),
    keeps: [triesAgain],
  },
]

const limits: readonly Policy[] = [
  {
    name: 'adaptive()',
    kind: 'limit',
    options: () => ({ limit: adaptive({ initial: load.slots, min: 2, max: load.slots }) }),
    keeps: [urgentFirst, inTime],
  },
]

/** A process that is out of breath half of the time, a second at a time. */
function halfOfTheTime(): Guard {
  const random = seeded(2)
  const read = () => ({ eventLoopDelayMs: random() < 0.5 ? 80 : 0 })
  return pressure({ maxEventLoopDelayMs: 50, sampleIntervalMs: 1_000, read, exempt: ['urgent'] })
}

/** Two policies, and what they do together. */
interface Cell {
  readonly first: string
  readonly second: string
  readonly seen: Seen
}

/** What was lost: to one policy by itself (`beside` is undefined), or to two of them together. */
interface Loss {
  readonly policy: string
  readonly beside: string | undefined
  readonly what: string
  /** By itself: without any policy; of a pair: the worse of what each does alone. In parts of 1. */
  readonly before: number
  readonly after: number
}

interface Pairs {
  readonly alone: readonly Cell[]
  readonly cells: readonly Cell[]
  /** What a policy costs by itself. */
  readonly costs: readonly Loss[]
  /** The pairs that don't go together. */
  readonly apart: readonly Loss[]
}

const others = [...reserves, ...retries, ...limits]
const all = [...orders, ...guards, ...others]

export async function playPairs(): Promise<Pairs> {
  const alone: Cell[] = []
  for (const policy of all) alone.push({ first: policy.name, second: policy.name, seen: await see(policy, policy) })
  const cells: Cell[] = []
  const meet = async (first: Policy, second: Policy): Promise<void> => {
    cells.push({ first: first.name, second: second.name, seen: await see(first, second) })
  }
  for (const order of orders) for (const other of [...guards, ...others]) await meet(order, other)
  for (const [n, one] of guards.entries()) for (const other of guards.slice(n + 1)) await meet(one, other)
  for (const guard of guards) for (const other of [...retries, ...limits]) await meet(guard, other)
  return { alone, cells, ...lossesIn(alone, cells) }
}

async function see(first: Policy, second: Policy): Promise<Seen> {
  const isRetried = first.kind === 'retry' || second.kind === 'retry'
  const options = together(first, second)
  const size = options.limit === undefined ? { concurrency: load.slots } : {}
  const played = await play(
    { ...load, failing: isRetried ? 0.1 : 0 },
    { ...size, maxQueueSize: PLACES, random: seeded(4), ...options },
  )
  return seenIn(played)
}

function together(first: Policy, second: Policy): Options {
  if (first === second) return first.options()
  const [one, other] = [first.options(), second.options()]
  const overload = [one.overload ?? [], other.overload ?? []].flat()
  const rateLimit = [one.rateLimit ?? [], other.rateLimit ?? []].flat()
  return { ...one, ...other, ...(overload.length > 0 && { overload }), ...(rateLimit.length > 0 && { rateLimit }) }
}

function seenIn({ byTier, quiet, answersInStretch, useful, stretchMs }: Played): Seen {
  const part = (counts: Counts | undefined, what: 'inTime' | 'succeeded'): number =>
    counts === undefined ? 0 : counts[what] / counts.came
  const answers = sum(answersInStretch)
  const asked = byTier.map(({ came }) => came)
  const fair = maxMin(answers, asked, [8, 4, 2, 1])
  const low = answersInStretch[3] as number
  return {
    ...{ urgent: part(byTier[0], 'inTime'), quiet: part(quiet[2], 'inTime'), low: part(byTier[3], 'inTime'), useful },
    offShare: Math.max(...fair.map((share, tier) => Math.abs((answersInStretch[tier] as number) - share) / share)),
    least: Math.min(...answersInStretch) / answers,
    lowOfCapacity: (low * 1_000) / (PER_SECOND * stretchMs),
    succeeded: part(byTier[0], 'succeeded'),
  }
}

/**
 * A promise that no policy at all keeps as well is lost to whatever breaks it by itself; two break it together when they do
 * worse than either. Any other promise is that of one policy, and is lost to the other when it is kept without it.
 */
function lossesIn(alone: readonly Cell[], cells: readonly Cell[]): { costs: Loss[]; apart: Loss[] } {
  const seenAlone = new Map(alone.map(({ first, seen }) => [first, seen]))
  const plain = seenAlone.get('strict()') as Seen
  const general = [urgentFirst, inTime].filter((promise) => holds(promise, plain))
  const costs = alone.flatMap(({ first, seen }) =>
    general
      .filter((promise) => !holds(promise, seen))
      .map(({ what, of }) => ({ policy: first, beside: undefined, what, before: plain[of], after: seen[of] })),
  )
  const apart = cells.flatMap(({ first, second, seen }): Loss[] => {
    const [one, other] = [seenAlone.get(first) as Seen, seenAlone.get(second) as Seen]
    const together = general.flatMap((promise): Loss[] => {
      const before = Math.min(one[promise.of], other[promise.of])
      const after = seen[promise.of]
      const isWorse = after < before - (holds(promise, one) && holds(promise, other) ? LITTLE : MUCH)
      if (holds(promise, seen) || !isWorse) return []
      return [{ policy: first, beside: second, what: promise.what, before, after }]
    })
    const own = [
      { policy: first, beside: second, before: one, byOther: other },
      { policy: second, beside: first, before: other, byOther: one },
    ].flatMap(({ policy, beside, before, byOther }) =>
      keptBy(policy)
        .filter((promise) => !general.includes(promise) && holds(promise, before) && !holds(promise, seen))
        .filter((promise) => !isWorseThan(plain, byOther, promise))
        .map(({ what, of }): Loss => ({ policy, beside, what, before: before[of], after: seen[of] })),
    )
    return [...together, ...own]
  })
  return { costs, apart }
}

/** By how much two must do worse than either, where both keep the promise alone, and where one of them does not: parts of 1. */
const LITTLE = 0.02
const MUCH = 0.1

/** Does a policy break it by itself, whatever it is beside? */
function isWorseThan(plain: Seen, seen: Seen, { of, atLeast }: Kept): boolean {
  return (atLeast === undefined ? seen[of] - plain[of] : plain[of] - seen[of]) > MUCH
}

function keptBy(policy: string): readonly Kept[] {
  return all.find(({ name }) => name === policy)?.keeps ?? []
}

function holds({ of, atLeast, atMost }: Kept, seen: Seen | undefined): boolean {
  const value = seen?.[of] ?? Number.NaN
  return atLeast === undefined ? value <= (atMost as number) : value >= atLeast
}

const page = new URL('../../docs/policies.md', import.meta.url)
const [BEGIN, END] = ['<!-- pairs: begin -->', '<!-- pairs: end -->']

/** The part of `docs/policies.md` that is printed by the runs. */
export function pairsPage({ alone, cells, costs, apart }: Pairs): string {
  const lost = new Set(apart.map(({ policy, beside }) => [policy, beside].sort().join()))
  const cellOf = (first: string, second: string): string => {
    const isPair = ({ first: a, second: b }: Cell): boolean =>
      (a === first && b === second) || (a === second && b === first)
    const found = (first === second ? alone : cells).find(isPair)
    if (found === undefined) return ''
    const { urgent, quiet, low, useful } = found.seen
    const text = [urgent, quiet, low, useful].map((part) => (100 * part).toFixed(0)).join(' · ')
    return lost.has([first, second].sort().join()) ? `**${text}**` : text
  }
  const rowOf = (name: string, columns: readonly Policy[]): string[] => [
    code(name),
    ...columns.map((column) => cellOf(name, column.name)),
  ]
  const withAlone = (name: string, columns: readonly Policy[]): string[] => {
    const [title = '', ...rest] = rowOf(name, columns)
    return [title, cellOf(name, name), ...rest]
  }
  const head = (columns: readonly Policy[]): string[] => columns.map(({ name }) => code(name))
  return [
    `Each cell: in time of URGENT · of the quiet tenant · of LOW · slots’ time spent on answers in time, in %.`,
    table(
      ['', 'alone', ...head(guards)],
      orders.map(({ name }) => withAlone(name, guards)),
    ),
    table(
      ['', 'alone', ...head(guards.slice(1))],
      guards.map(({ name }, n) => withAlone(name, blankUpTo(n, guards))),
    ),
    table(
      ['', ...head(others)],
      [...orders, ...guards].map(({ name }) => rowOf(name, others)),
    ),
    'What one of them costs by itself:',
    costs.map((loss) => `- ${code(loss.policy)}: ${loss.what} ${from(loss)}`).join('\n'),
    'What does not go together, **bold** above:',
    apart.map((loss) => `- ${code(loss.policy)} and ${code(loss.beside ?? '')}: ${loss.what} ${from(loss)}`).join('\n'),
  ].join('\n\n')
}

/** The guards whose cells are not those of an earlier row: the others are left blank. */
function blankUpTo(row: number, columns: readonly Policy[]): Policy[] {
  const blank: Policy = { name: '', kind: 'guard', options: () => ({}), keeps: [] }
  return columns.slice(1).map((column, n) => (n + 1 > row ? column : blank))
}

function from({ before, after }: Loss): string {
  return `${(100 * before).toFixed(1)} % → ${(100 * after).toFixed(1)} %`
}

/** `tokenBucket(), per priority` is code up to the comma. */
function code(name: string): string {
  return name.replaceAll(/\w+\(\)|reserve: \w+|over: 'wait'/g, (part) => `\`${part}\``)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** What the page has now. */
export function pairsInDocs(): string {
  const text = readFileSync(page, 'utf8')
  return text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)).trim()
}

export function writePairs(pairs: Pairs): void {
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
  writeFileSync(page, `${text.slice(0, from)}\n\n${pairsPage(pairs)}\n\n${text.slice(to)}`)
}

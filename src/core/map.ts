/**
 * `map()`: the requests of a source, pulled through an executor. How fast a source may be read is in `admit/pull.ts`; this is
 * what pulling needs of an executor.
 */
import { type PullOptions, type PullTarget, pull, requirePullOptions } from './admit/pull.ts'
import { requireSource, type Source } from './admit/source.ts'
import { requireOptions } from './checks.ts'
import type { Engine } from './engine.ts'
import { ShedError } from './errors.ts'
import type { RequestOptions } from './options.ts'
import { NORMAL } from './priority.ts'
import { readRequestOptions } from './request-options.ts'
import { RequestRecord } from './request-record.ts'
import { State } from './request-state.ts'
import { executorOptions } from './settings.ts'

/** What `map()` may be told: the options of each request, and how to pull. */
export type MapOptions<Metadata = unknown> = PullOptions & Omit<RequestOptions<Metadata>, 'id' | 'onDuplicate'>

/** The options of `map()`, where they may be left out: unless they must say the metadata of the requests. */
export type MapArguments<Metadata> = undefined extends Metadata
  ? [options?: MapOptions<Metadata> | undefined]
  : [options: MapOptions<Metadata> & { metadata: Metadata }]

const mapOptions = Object.keys({
  ...{ ordered: 0, window: 0, priority: 0, signal: 0, waitTimeoutMs: 0, runTimeoutMs: 0, timeoutMs: 0 },
  ...{ metadata: 0, deadline: 0, cost: 0, delayMs: 0, startAt: 0, after: 0, kind: 0 },
} satisfies { [K in keyof Required<MapOptions>]: 0 })

/** @throws {OptionsError} at once */
export function mapOver<Req, Res>(
  engine: Engine,
  requests: Source<Req>,
  options: MapOptions,
): AsyncGenerator<Res, void, undefined> {
  requireSource(requests)
  requireOptions('map', options, mapOptions, executorOptions)
  // Each is read once, own or inherited.
  const read = mapOptions.map((name) => [name, options[name as keyof MapOptions]] as const)
  const given: MapOptions = Object.fromEntries(read.filter(([, value]) => value !== undefined))
  const { ordered = true, window, ...each } = given
  requirePullOptions(ordered, window)
  return pull(requests, targetOf<Req, Res>(engine, window, each), ordered, each.signal)
}

function targetOf<Req, Res>(
  { arrivals, gate, openings, pulls, refusals, room, settings, slots }: Engine,
  window: number | undefined,
  each: RequestOptions,
): PullTarget<Req, Res> {
  const made = (request?: Req): RequestRecord => new RequestRecord(request, NORMAL, arrivals.instant())
  /** One that is only asked about. */
  const asking = (request?: Req): RequestRecord => {
    const record = made(request)
    readRequestOptions(each, record)
    return record
  }
  const first = asking()
  // What it will take is not known before it is read.
  if (gate.takesTokens) first.later().claims = []
  if (first.cost > 1) arrivals.requireCost(first)
  const neverFits = openings.neverFits(first)
  return {
    window: () => window ?? 2 * slots.limit,
    room: (signal) =>
      neverFits ? Promise.reject(refusals.fullError('total', first)) : room.until(first, signal, false),
    asksFirst: gate.asksAtArrival && settings.schema === undefined,
    ready: (request, signal) => room.until(asking(request), signal),
    run: (request, checked, signal, { resolve, reject, refused }) => {
      const record = made(request)
      record.resolve = resolve
      record.reject = (error) => {
        const isDisplaced = record.status === State.SHED && error instanceof ShedError
        if (record.status === State.REJECTED || isDisplaced) refused(error, record.request as Req)
        else reject(error)
      }
      if (!arrivals.reads(record, { ...each, signal })) return
      arrivals.arrive(record, 'block', checked)
    },
    hears: (closed) => {
      pulls.add(closed)
      return () => void pulls.delete(closed)
    },
  }
}

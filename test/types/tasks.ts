/** A task has its answer's type, and a wrapped function its own. */
import {
  fairBy,
  type QueuedExecutor,
  type QueuedRequest,
  type RequestOptions,
  type RunContext,
  type Task,
  TaskQueue,
  type TaskQueueOptions,
} from 'triage-queue'
import { holds, type Same, some } from './support.ts'

const queue = new TaskQueue({ concurrency: 4 })
const asynchronous = queue.run(async () => 'text')
holds<Same<typeof asynchronous, Promise<string>>>()
const synchronous = queue.run((run) => {
  holds<Same<typeof run, RunContext<unknown>>>()
  return run.attempt
})
holds<Same<typeof synchronous, Promise<number>>>()
const either = queue.execute((): number | Promise<number> => 1, { priority: 'high', signal: undefined })
holds<Same<typeof either, Promise<number>>>()
const handle = queue.submit(async () => true)
holds<Same<typeof handle, Promise<QueuedRequest<Task<boolean, unknown>, boolean, unknown>>>>()
const offered = queue.offer(() => 1n)?.result
holds<Same<typeof offered, Promise<bigint> | undefined>>()
const mapped = queue.map([() => 1, async () => 2])
holds<Same<typeof mapped, AsyncGenerator<number, void, undefined>>>()
// @ts-expect-error: it was called already.
void queue.run(Promise.resolve(1))
const executor: QueuedExecutor<Task> = queue
void executor
// @ts-expect-error: closures have no schema.
new TaskQueue({ schema: some<never>() })

// Metadata: said, or out of what a policy reads.
interface About {
  readonly tenant: string
}
const fair = new TaskQueue({ order: fairBy((_task: Task, { tenant }: About) => tenant) })
holds<Same<typeof fair, TaskQueue<About>>>()
void fair.run(({ metadata }) => metadata.tenant, { metadata: { tenant: 'acme' } })
// @ts-expect-error: no metadata.
void fair.run(() => 1)
const options: TaskQueueOptions = { concurrency: 1 }
holds<Same<TaskQueue<unknown>, ReturnType<typeof made>>>()
function made() {
  return new TaskQueue(options)
}

// What promises is of the very same type afterwards: overloads, type parameters, `this`.
declare function load(id: string): Promise<string>
declare function load(id: number, deep: boolean): Promise<number>
const wrappedLoad = queue.wrap(load)
holds<Same<typeof wrappedLoad, typeof load>>()
declare function list<T>(of: T, size?: number): Promise<T[]>
const wrappedList = queue.wrap(list)
holds<Same<typeof wrappedList, typeof list>>()
declare function store(this: Map<string, number>, key: string, ...more: number[]): Promise<void>
const wrappedStore = queue.wrap(store, { priority: 'low' })
holds<Same<typeof wrappedStore, typeof store>>()
// @ts-expect-error: it needs its `this`.
void wrappedStore('a')

// What does not, promises now.
const length = queue.wrap((text: string) => text.length)
const three = length('abc')
holds<Same<typeof three, Promise<number>>>()
declare function twice<T>(of: T): T[]
const wrappedTwice = queue.wrap(twice)
const answers = wrappedTwice('a' as const)
holds<Same<typeof answers, Promise<'a'[]>>>()
declare function tell(this: Date, zone: string): string
const wrappedTell = queue.wrap(tell)
holds<Same<typeof wrappedTell, (this: Date, zone: string) => Promise<string>>>()
declare function mixed(of: string): string
declare function mixed(of: number): Promise<number>
const wrappedMixed = queue.wrap(mixed)
holds<Same<ReturnType<typeof wrappedMixed>, Promise<number>>>()
// @ts-expect-error: that signature does not promise, so it is not kept.
void wrappedMixed('a')

// Members of a function are not those of the wrapped one.
const cached = some<{ (of: string): Promise<number>; readonly cache: Map<string, number> }>()
const wrappedCached = queue.wrap(cached)
holds<Same<ReturnType<typeof wrappedCached>, Promise<number>>>()
// @ts-expect-error: it has none.
wrappedCached.cache

// The options of each call may follow from its arguments.
const byId = queue.wrap(list, (_of, size) => ({ id: String(size) }))
holds<Same<typeof byId, typeof list>>()
queue.wrap(
  async (id: string) => id,
  (id) => {
    holds<Same<typeof id, string>>()
    return { id }
  },
)
// @ts-expect-error: no metadata.
fair.wrap(list)
fair.wrap(list, { metadata: { tenant: 'acme' } })
fair.wrap(
  async (tenant: string) => tenant,
  (tenant) => ({ metadata: { tenant } }),
)
// @ts-expect-error: a promise is no function.
queue.wrap(some<Promise<number>>())
holds<Same<Parameters<typeof queue.run>[1], RequestOptions<unknown> | undefined>>()

/** The type of `metadata` reaches policies, `run`, handles and events, and is asked for where requests are handed in. */
import {
  aging,
  backoff,
  batched,
  circuitBreaker,
  codel,
  type Executor,
  fairBy,
  type Guard,
  type GuardQuestion,
  type OrderPolicy,
  type OrderQuestion,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type QueuedRequest,
  type Reads,
  type RequestOptions,
  type RunContext,
  shedByPriority,
  strict,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { holds, type Same, some } from './support.ts'

interface Job {
  readonly size: number
}
interface About {
  readonly tenant: string
}
const job: Job = { size: 1 }
const metadata: About = { tenant: 'acme' }

// Said by hand: the executor, its policies, listeners and callers all know it.
const named = new QueuedExecutor<Job, string, About>(
  async ({ size }, run) => {
    holds<Same<typeof run.metadata, About>>()
    return `${run.metadata.tenant} ${size}`
  },
  {
    order: {
      name: 'mine',
      acrossTiers: false,
      rank: (question) => {
        holds<Same<typeof question, Readonly<OrderQuestion<Job, About>>>>()
        return question.metadata.tenant.length + question.request.size
      },
    },
    overload: {
      name: 'mine',
      admit: (question) => {
        holds<Same<typeof question, Readonly<GuardQuestion<Job, About>>>>()
        return undefined
      },
    },
  },
)
named.on('started', (event) => {
  holds<Same<typeof event.metadata, About>>()
  holds<Same<typeof event.request, Job>>()
})
const handle = named.submit(job, { metadata })
holds<Same<typeof handle, Promise<QueuedRequest<Job, string, About>>>>()
void handle.then((request) => holds<Same<typeof request.metadata, About>>())
holds<Same<ReturnType<typeof named.offer>, QueuedRequest<Job, string, About> | undefined>>()
holds<Same<ReturnType<typeof named.get>, QueuedRequest<Job, string, About> | undefined>>()
void named.execute(job, { metadata, priority: 'high' })
void named.ready('normal', { metadata })
named.map([job], { metadata })
for (const waiting of named.waiting()) holds<Same<typeof waiting.metadata, About>>()
named.clear(({ request, metadata }) => request.size > 1 && metadata.tenant === 'acme')

// What reads it would find nothing.
// @ts-expect-error: no metadata.
void named.execute(job)
// @ts-expect-error: no metadata.
void named.execute(job, { priority: 'high' })
// @ts-expect-error: no metadata.
void named.submit(job)
// @ts-expect-error: no metadata.
named.offer(job, { metadata: undefined })
// @ts-expect-error: no metadata.
named.map([job])
// @ts-expect-error: other metadata.
void named.execute(job, { metadata: { tenant: 1 } })
// @ts-expect-error: other metadata.
void named.ready('normal', { metadata: { plan: 'free' } })

// Where it may be left out, it may be left out.
const lax = new QueuedExecutor<Job, string, About | undefined>((_job, { metadata }) => metadata?.tenant ?? 'nobody')
void lax.execute(job)
void lax.execute(job, { metadata })

// Where nothing is said, anything goes, as ever.
const plain = new QueuedExecutor(async ({ size }: Job) => size)
holds<Same<typeof plain, QueuedExecutor<Job, number, unknown, Job>>>()
void plain.execute(job)
void plain.execute(job, { metadata: 7 })
holds<Same<Parameters<typeof plain.execute>, [request: Job, options?: RequestOptions<unknown> | undefined]>>()

// Out of what the policies read.
const inferred = new QueuedExecutor(
  async (request: Job, run) => {
    holds<Same<typeof run.metadata, About>>()
    return request.size
  },
  {
    order: fairBy((_job: Job, { tenant }: About) => tenant),
    rateLimit: tokenBucket({ perSecond: 1, per: (request: Job) => String(request.size) }),
    overload: [codel(), shedByPriority()],
    retry: backoff(),
  },
)
holds<Same<typeof inferred, QueuedExecutor<Job, number, About, Job>>>()
// @ts-expect-error: the order would read the tenant of nothing.
void inferred.execute(job)

// The most that any of them reads.
interface More extends About {
  readonly plan: string
}
const two = new QueuedExecutor(async (_request: Job) => 1, {
  order: weighted({}, { within: fairBy((_job: Job, { tenant }: About) => tenant) }),
  rateLimit: [tokenBucket({ perSecond: 1, per: (_job: Job, { plan }: More) => plan }), codel()],
})
holds<Same<typeof two, QueuedExecutor<Job, number, More, Job>>>()

// Out of what the executor reads.
const byRun = new QueuedExecutor(async (_request: Job, { metadata }: RunContext<About>) => metadata.tenant, {
  order: strict(),
})
holds<Same<typeof byRun, QueuedExecutor<Job, string, About, Job>>>()
const byBatch = new QueuedExecutor(
  batched(async (jobs: Job[], runs: readonly RunContext<About>[]) => jobs.map((_, i) => runs[i]?.metadata.tenant), {
    maxSize: 2,
  }),
)
holds<Same<typeof byBatch, QueuedExecutor<Job, string | undefined, About, Job>>>()

// The request, too, out of what a policy reads.
const byOrder = new QueuedExecutor(async (request) => request.size, { order: aging({}, { within: fairBy(sizeOf) }) })
holds<Same<typeof byOrder, QueuedExecutor<Job, number, unknown, Job>>>()
function sizeOf({ size }: Job): string {
  return String(size)
}

// A policy that reads what is not there.
interface Plan {
  readonly plan: string
}
new QueuedExecutor<Job, number, About>(async () => 1, {
  // @ts-expect-error: it reads a plan, and the metadata has none.
  rateLimit: tokenBucket({ perSecond: 1, per: (_job: Job, { plan }: Plan) => plan }),
})
new QueuedExecutor(async (text: string) => text.length, {
  // @ts-expect-error: it reads jobs, and requests are strings.
  order: fairBy(sizeOf),
})
new QueuedExecutor(async (text: string) => text.length, {
  // @ts-expect-error: it reads jobs, and requests are strings.
  overload: circuitBreaker({
    isFailure: (_ok, _runMs, question: Readonly<GuardQuestion<Job>>) => !question.request.size,
  }),
})

// Policies of one's own, with the types and without.
const typed: OrderPolicy<Job, About> = {
  name: 'typed',
  acrossTiers: true,
  rank: ({ request, metadata }) => request.size + metadata.tenant.length,
}
const untyped: OrderPolicy = fairBy(sizeOf)
const guard: Guard = tokenBucket({ perSecond: 1 })
new QueuedExecutor<Job, number, About>(async () => 1, { order: typed, overload: guard })
new QueuedExecutor<Job, number, About>(async () => 1, { order: untyped })

// A function that makes one may say what it reads.
function byTenant<Req>(): OrderPolicy & Reads<Req, About> {
  const order: OrderPolicy<Req, About> = {
    name: 'mine',
    acrossTiers: true,
    rank: (asked) => asked.metadata.tenant.length,
  }
  return order
}
const byMine = new QueuedExecutor(async (request: Job) => request.size, { order: byTenant() })
holds<Same<typeof byMine, QueuedExecutor<Job, number, About, Job>>>()

// Options without type arguments hold any policy, and fit any executor.
const anyOptions: QueuedExecutorOptions = {
  concurrency: 2,
  order: fairBy(sizeOf),
  rateLimit: tokenBucket({ perSecond: 1, per: (_job: Job, { plan }: Plan) => plan }),
  schema: some<StringSchema>(),
}
const onStrings = new QueuedExecutor(async (text: string) => text.length, anyOptions)
holds<Same<typeof onStrings, QueuedExecutor<string, number, unknown, string>>>()
const onJobs = new QueuedExecutor(async (_job: Job, run: RunContext<About>) => run.metadata.tenant, anyOptions)
holds<Same<typeof onJobs, QueuedExecutor<Job, string, About, Job>>>()
const given = (options?: QueuedExecutorOptions) =>
  new QueuedExecutor<Job, string, About, string>(async () => '', options)
given({ concurrency: 3 })
interface StringSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => { readonly value: string }
    readonly types?: { readonly input: string; readonly output: string } | undefined
  }
}

// Options of one executor fit it.
const own: QueuedExecutorOptions<Job, About> = { order: typed }
const fitting = new QueuedExecutor(async (_job: Job, run: RunContext<About>) => run.metadata.tenant, own)
holds<Same<typeof fitting, QueuedExecutor<Job, string, About, Job>>>()

// For whoever takes any executor.
const takesAny = (executor: QueuedExecutor) => executor.concurrency
const takesFunction = (executor: Executor<Job, string, About>) => new QueuedExecutor(executor, { concurrency: 1 })
takesAny(plain)
takesAny(onStrings)
holds<Same<ReturnType<typeof takesFunction>, QueuedExecutor<Job, string, About, Job>>>()

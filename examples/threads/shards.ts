/**
 * Four queues in four threads, a thousand slots each: a tenant's requests meet in one of them.
 *
 *     node examples/threads/shards.ts
 */
// In your project: from 'triage-queue/threads'
import { shards } from '../../src/threads/index.ts'

interface Call {
  readonly tenant: string
}

const all = shards<Call, string>(4, new URL('./call.ts', import.meta.url), {
  name: 'calls',
  key: ({ tenant }) => tenant,
  executor: { concurrency: 1_000, maxQueueSize: 100_000, runTimeoutMs: 5_000 },
})

const answers = await Promise.all(Array.from({ length: 2_000 }, (_, i) => all.execute({ tenant: `tenant ${i % 100}` })))
const { totals, shards: each } = (await all.getStatus()) as Awaited<ReturnType<typeof all.getStatus>>
console.log(`${answers.length} answers, the first: ${answers[0]}`)
console.log(`totals: admitted ${totals.admitted} = completed ${totals.completed}`)
console.log(`by shard: ${each.map((shard) => shard.totals.completed).join(' + ')}`)
await all.close()

/** What `shards.ts` has in each shard: a call to somewhere else. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunContext } from '../../src/index.ts'

export default async function call(request: { readonly tenant: string }, run: RunContext): Promise<string> {
  await sleep(20, undefined, { signal: run.signal })
  return `answered ${request.tenant}`
}

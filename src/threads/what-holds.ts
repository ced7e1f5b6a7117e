/**
 * What of an executor's promises holds in each shard, and what in all of them together: `docs/threads.md` prints this same table.
 */
export interface Holding {
  readonly promise: string
  readonly holds: 'in each shard' | 'in all'
  readonly so: string
}

export const whatHolds: readonly Holding[] = [
  {
    promise: 'Priority and order',
    holds: 'in each shard',
    so: 'Strict per shard only: a less urgent request of one shard may start before a more urgent one of another.',
  },
  {
    promise: 'Bounds, and who makes room (`maxQueueSize`, `whenFull`)',
    holds: 'in each shard',
    so: 'A shard may be full, and refuse, while another has room.',
  },
  {
    promise: 'Slots (`concurrency`, `limit`, `reserve`)',
    holds: 'in each shard',
    so: 'A slot may be free while requests wait in another shard. `setConcurrency()` takes the total, and shares it out.',
  },
  {
    promise: 'Rates, guards, fairness, budgets of retries',
    holds: 'in each shard',
    so: 'n shards let through n times as much. With `hash` by tenant each tenant has one shard, and there its whole rate.',
  },
  {
    promise: 'One run for callers with the same id, while it is live',
    holds: 'in all',
    so: 'A request whose id is live joins it, whatever the route says.',
  },
  {
    promise: 'The stored answer for an id that has completed',
    holds: 'in each shard',
    so: 'With a store: only `hash` by the id leads to the shard that has it.',
  },
  {
    promise: 'What the stores keep, over HTTP and in the dashboard',
    holds: 'in all',
    so: 'With a store in each shard and `hash` by the id it is listed as of one. With another route, or a `key`: what has ended since the start.',
  },
  {
    promise: '`get()`, `find()`, `cancel()` by id',
    holds: 'in all',
    so: 'Every shard is asked. What a store has brought back after a start is found, too.',
  },
  {
    promise: 'Each request ends once; the totals add up',
    holds: 'in all',
    so: 'Admitted is what waits, runs, is retried or has ended: in each shard, and so in the sums.',
  },
  {
    promise: '`pause()`, `drain()`, `close()`, `idle()`',
    holds: 'in all',
    so: 'Each means every shard; the events `paused`, `resumed`, `idle` and `closed` are told when all of them have come so far.',
  },
  {
    promise: 'Truthful slots, run timeouts, cancelling',
    holds: 'in each shard',
    so: 'A shard is an executor. In a thread of its own an endless loop stands in the way of that whole shard: `threads()` ends such a call.',
  },
]

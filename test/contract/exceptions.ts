/**
 * What a back end can't promise, and why: `docs/back-ends.md` prints this same table.
 */

/** The back ends that the suite is run against. */
export const backEnds = [
  'in process',
  'memoryStore()',
  'SQLite',
  'HTTP',
  'Shards',
  'Shards in threads',
  'Redis',
] as const

export type BackEnd = (typeof backEnds)[number]

/** By the promise, as the suite names it. */
export const exceptions: { readonly [promise: string]: { readonly [B in BackEnd]?: string } } = {
  'what has ended is found by its id': {
    'in process': 'Nothing is kept of what has ended.',
    Shards: 'As each shard has it: with a store it is.',
    'Shards in threads': 'As each shard has it: with a store it is.',
  },
  'what has completed is answered again, and does not run': {
    'in process': 'Nothing is kept of what has ended: the request runs again.',
    Shards: 'As each shard has it: with a store it is, if `hash` by the id leads to the shard that has the answer.',
    'Shards in threads':
      'As each shard has it: with a store it is, if `hash` by the id leads to the shard that has the answer.',
  },
  'of all that wait the most urgent one is next, whatever key they have': {
    Shards:
      'Priority is strict per shard only: a less urgent request of one shard may start before a more urgent one of another.',
    'Shards in threads':
      'Priority is strict per shard only: a less urgent request of one shard may start before a more urgent one of another.',
  },
  'no more run at once than `concurrency`, also when that is changed': {
    Shards:
      '`setConcurrency()` takes the total, and shares it out: a free slot of one shard is none for what waits in another.',
    'Shards in threads':
      '`setConcurrency()` takes the total, and shares it out: a free slot of one shard is none for what waits in another.',
  },
  'close without drain cancels what waits': {
    SQLite: 'It is parked: its callers get a `ParkedError`, and it runs after the next start.',
    HTTP: 'The client closes, not the service: what is waited for here is let go, and goes on there.',
    Redis: 'It is parked: its callers get a `ParkedError`, and it stays in Redis, and runs.',
  },
  'a handle says where it is, and moves to another priority': {
    HTTP: 'Its `state` is what was last told: `find()` asks.',
  },
  'drain finishes all that was admitted, and admits no more': {
    HTTP: 'The client closes, not the service.',
  },
  "rejects with the executor's own error, untouched": {
    HTTP: 'It is a `RunFailedError`: what the executor has said stays there, unless the service may tell it.',
    'Shards in threads': 'It is a copy, with the class, the name, the code, the properties and the cause of the error.',
    Redis:
      'It is a copy: its name, message, code, own properties and cause, and its class where that is a builtin or ours.',
  },
}

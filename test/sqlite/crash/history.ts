/**
 * What the store must say after a history, as the simplest program that can say it: no file, no batches, no thread.
 */

/** One call, as the process that makes it writes it down before. */
export type Call =
  | readonly [kind: 'recover']
  | readonly [kind: 'admit', seq: number, id: string, tier: number, payload: string, isStarted: boolean]
  | readonly [kind: 'begin', seq: number, attempt: number]
  | readonly [kind: 'attemptEnded', seq: number, attempt: number]
  | readonly [kind: 'end', seq: number, outcome: 'completed' | 'cancelled' | 'failed', result: string | null]
  | readonly [kind: 'priority', seq: number, tier: number]
  | readonly [kind: 'requeue', seq: number, id: string]

export const MAX_ATTEMPTS = 3

export interface Entry {
  readonly seq: number
  readonly id: string
  tier: number
  readonly payload: string
  attempts: number
  crashes: number
  state: 'waiting' | 'running' | 'completed' | 'cancelled' | 'dead'
  result: string | null
}

export class History {
  readonly #entries = new Map<number, Entry>()

  /** Applies a call, and says what it must answer, where that is more than that it is done. */
  apply(call: Call): string | undefined {
    switch (call[0]) {
      case 'recover': {
        for (const entry of this.#of('running')) {
          entry.crashes++
          entry.state = entry.crashes < MAX_ATTEMPTS ? 'waiting' : 'dead'
        }
        return undefined
      }
      case 'admit': {
        const [, seq, id, tier, payload, isStarted] = call
        const live = this.live().find((entry) => entry.id === id)
        if (live !== undefined) return live.payload === payload ? 'live' : 'payload'
        const known = this.#of('completed').find((entry) => entry.id === id)
        if (known !== undefined) return known.payload === payload ? 'known' : 'payload'
        const state = isStarted ? 'running' : 'waiting'
        this.#entries.set(seq, { seq, id, tier, payload, attempts: isStarted ? 1 : 0, crashes: 0, state, result: null })
        return 'stored'
      }
      case 'begin': {
        const entry = this.#live(call[1])
        if (entry === undefined) return undefined
        entry.attempts = Math.max(entry.attempts, call[2])
        entry.state = 'running'
        return undefined
      }
      case 'attemptEnded': {
        const entry = this.#live(call[1])
        if (entry !== undefined) entry.state = 'waiting'
        return undefined
      }
      case 'end': {
        const entry = this.#live(call[1])
        if (entry === undefined) return undefined
        entry.state = call[2] === 'failed' ? 'dead' : call[2]
        entry.result = call[3]
        return undefined
      }
      case 'priority': {
        const entry = this.#live(call[1])
        if (entry !== undefined) entry.tier = call[2]
        return undefined
      }
      case 'requeue': {
        const [, seq, id] = call
        const dead = this.#of('dead')
          .filter((entry) => entry.id === id)
          .at(-1)
        if (dead === undefined || this.live().some((entry) => entry.id === id)) return 'nothing'
        // What was answered is not run again.
        if (this.#of('completed').some((entry) => entry.id === id && entry.seq > dead.seq)) return 'nothing'
        this.#entries.delete(dead.seq)
        this.#entries.set(seq, { ...dead, seq, attempts: 0, crashes: 0, state: 'waiting', result: null })
        return 'requeued'
      }
    }
  }

  live(): Entry[] {
    return [...this.#of('waiting'), ...this.#of('running')]
  }

  /** All of it, by number: what must be found in the store. */
  describe(): string[] {
    return describeEntries([...this.#entries.values()])
  }

  #of(state: Entry['state']): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.state === state).sort((a, b) => a.seq - b.seq)
  }

  #live(seq: number): Entry | undefined {
    const entry = this.#entries.get(seq)
    return entry?.state === 'waiting' || entry?.state === 'running' ? entry : undefined
  }
}

export function describeEntries(entries: readonly Entry[]): string[] {
  return entries
    .toSorted((a, b) => a.seq - b.seq)
    .map(({ seq, id, tier, payload, attempts, crashes, state, result }) => {
      // What has completed or was cancelled is kept without its request.
      const kept = state === 'completed' || state === 'cancelled' ? '' : payload
      return [seq, id, tier, kept, attempts, crashes, state, result].join(' ')
    })
}

/**
 * Does it live? By its state, wherever the request is: the states that only a store or another service speaks of included.
 */
import type { RequestStateLike } from '../index.ts'

const liveStates: ReadonlySet<string> = new Set<RequestStateLike>([
  ...(['checking', 'blocked', 'storing', 'held', 'waiting', 'starting', 'running', 'retrying'] as const),
])

export function isLiveState(state: string): boolean {
  return liveStates.has(state)
}

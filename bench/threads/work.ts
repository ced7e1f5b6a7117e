/** What keeps one core busy: so many rounds of arithmetic, whatever the clock says. */
import { threadId } from 'node:worker_threads'

export default function work(rounds: number): {
  readonly thread: number
  readonly startedAt: number
  readonly sum: number
} {
  const startedAt = performance.timeOrigin + performance.now()
  return { thread: threadId, startedAt, sum: compute(rounds) }
}

export function compute(rounds: number): number {
  let sum = 0
  for (let i = 0; i < rounds; i++) sum = (sum + Math.sqrt(i ^ sum)) % 1_000_003
  return sum
}

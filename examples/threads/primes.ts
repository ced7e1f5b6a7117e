/** What `main.ts` runs in threads: a loop that computes, and asks now and then whether anyone still waits. */
import type { ThreadRun } from '../../src/threads/index.ts'

export default function primes(below: number, run: ThreadRun): number {
  let found = 0
  for (let n = 2; n < below; n++) {
    if (isPrime(n)) found++
    // Some 20 ns: cheap enough for each round, and the only way to hear of a cancel here.
    if (run.aborted()) throw run.signal.reason
  }
  return found
}

function isPrime(n: number): boolean {
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false
  return true
}

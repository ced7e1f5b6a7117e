import type { GuardQuestion } from 'triage-queue'

/** What a guard is asked about a request of which nothing is special, but for `question`. */
export function ask(question: Partial<GuardQuestion> = {}): GuardQuestion {
  return {
    at: 0,
    tier: 2,
    request: undefined,
    metadata: undefined,
    waitMs: 0,
    deadline: Number.POSITIVE_INFINITY,
    ahead: 0,
    waiting: 0,
    running: 0,
    concurrency: 1,
    recentRunMs: Number.NaN,
    pausedMs: 0,
    probe: false,
    ...question,
  }
}

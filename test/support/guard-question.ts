import type { GuardQuestion } from 'triage-queue'

const nothing: GuardQuestion = {
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
  free: 1,
  recentRunMs: Number.NaN,
  predictedWaitMs: Number.NaN,
  pausedMs: 0,
  bucket: undefined,
  tokens: 1,
  tokensAhead: 0,
  probe: false,
}

/** What a guard is asked about a request of which nothing is special, but for `question`; the wait follows from that. */
export function ask(question: Partial<GuardQuestion> = {}): GuardQuestion {
  const asked = { ...nothing, ...question }
  const free = Math.max(asked.concurrency - asked.running, 0)
  const predictedWaitMs = (Math.max(asked.ahead - free + 1, 0) * asked.recentRunMs) / asked.concurrency
  return { ...asked, free, predictedWaitMs, ...question }
}

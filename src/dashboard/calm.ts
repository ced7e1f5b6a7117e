/** What is said where nothing is found to look at? Never that all is well beside a headline that says otherwise. */
import type { QueueModel } from './model.ts'
import { inSentence } from './units.ts'
import type { Verdict } from './verdict.ts'

export interface Calm {
  readonly kind: 'good' | 'warn' | 'idle'
  readonly what: string
  readonly why: string
}

const MINUTE_POINTS = 12

export function calmOf({ status, points, name }: QueueModel, verdict: Verdict): Calm {
  const { state, waiting, running, activeWorkers, maxWorkers } = status
  if (state === 'closing') {
    const what = running + waiting === 0 ? 'It is about to be closed' : 'It closes when these have ended'
    return { kind: 'idle', what, why: 'Whoever sends to it is refused, and is to send elsewhere.' }
  }
  if (state === 'closed') return { kind: 'idle', what: 'It is closed', why: 'What stands here was the last of it.' }
  if (verdict.kind === 'idle') {
    const why = 'If you expect requests, look at who sends them: this queue is open.'
    return { kind: 'idle', what: 'Nothing waits, nothing runs', why }
  }
  if (verdict.kind !== 'good') {
    const why = `${verdict.headline}, and none of the usual causes is seen. Look at the charts, and at what ${inSentence(name)} calls.`
    return { kind: 'warn', what: 'No cause is known', why }
  }
  if (points.length < MINUTE_POINTS) {
    return { kind: 'idle', what: 'Nothing so far', why: 'What is known here is not a minute old: too little to tell.' }
  }
  const why =
    waiting > 0 && activeWorkers < maxWorkers
      ? 'Slots are free; what waits has its time or its turn to come.'
      : `${activeWorkers >= maxWorkers ? 'All slots are busy' : 'Slots are free'}, and what is asked for gets done.`
  return { kind: 'good', what: 'Nothing needs you', why }
}

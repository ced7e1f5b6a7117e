/**
 * What is said where nothing can be drawn? One line, to be read in a log of a build.
 */
import { priorities } from '../core/priority.ts'
import type { ExecutorStatus } from '../core/watch/status.ts'
import { count, measured, printable, rate } from './text.ts'
import { endings, troubleOf, type View } from './view.ts'

/** What is so: as long as it stays the same, there is nothing new to say. */
export function facts(status: ExecutorStatus): string {
  const { name, state, waiting, waitingByPriority, checking, blocked, retrying, activeWorkers, maxWorkers } = status
  const { stuckWorkers, wait, run, totals } = status
  const tiers = priorities.filter((priority) => waitingByPriority[priority] > 0)
  const sizes = tiers.map((priority) => `${priority} ${count(waitingByPriority[priority])}`).join(', ')
  return [
    `${printable(name)} ${state}: ${count(waiting)} waiting${sizes === '' ? '' : ` (${sizes})`}`,
    ...(retrying > 0 ? [`${count(retrying)} retrying`] : []),
    ...(checking > 0 ? [`${count(checking)} checked`] : []),
    ...(blocked > 0 ? [`${count(blocked)} blocked`] : []),
    ...troubleOf(status),
    `${count(activeWorkers)} of ${count(maxWorkers)} slots busy${stuckWorkers > 0 ? ` (${count(stuckWorkers)} stuck)` : ''}`,
    `wait p50 ${measured(wait, wait.p50Ms)} p99 ${measured(wait, wait.p99Ms)}`,
    `run p50 ${measured(run, run.p50Ms)}`,
    endings(totals),
  ].join('; ')
}

export function plainLine({ status, completed, refused }: View): string {
  const pace = `${rate(completed.perSecond)}/s done, ${rate(refused.perSecond)}/s refused`
  return completed.perSecond === undefined ? facts(status) : `${facts(status)}; ${pace}`
}

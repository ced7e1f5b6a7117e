/**
 * What is drawn? The lines of the live view, from plain data.
 */
import { type ByPriority, priorities } from '../core/priority.ts'
import type { ExecutorState, ExecutorStatus } from '../core/watch/status.ts'
import {
  bar,
  count,
  duration,
  type Line,
  measured,
  type Piece,
  printable,
  rate,
  type Style,
  sparkline,
} from './text.ts'

/** What one second after the other has brought. */
interface Pace {
  readonly perSecond: number | undefined
  readonly lastMinute: readonly number[]
}

/** All that a view shows. */
export interface View {
  readonly status: ExecutorStatus
  readonly completed: Pace
  readonly refused: Pace
  /** The most that have been seen to wait: what a bar is measured by when the queue has no bound. */
  readonly mostWaiting: number
}

const LABEL = 9
const MAX_BAR = 40

const stateStyles: Readonly<Record<ExecutorState, Style>> = {
  open: 'green',
  paused: 'yellow',
  closing: 'yellow',
  closed: 'dim',
}

export function liveLines(view: View, columns: number): Line[] {
  const { status } = view
  const { wait, run, totals } = status
  return [
    headLine(status),
    ...tierLines(view, columns),
    slotsLine(status, columns),
    [
      label('time'),
      {
        text: `wait p50 ${measured(wait, wait.p50Ms)}, p99 ${measured(wait, wait.p99Ms)}; run p50 ${measured(run, run.p50Ms)}`,
      },
    ],
    paceLine('done', view.completed, 'green', columns),
    paceLine('refused', view.refused, 'yellow', columns),
    [label('total'), { text: endings(totals) }],
  ]
}

/** How requests have ended; only the ways that there were. */
export function endings(totals: ExecutorStatus['totals']): string {
  const { completed, failed, expired, cancelled, shed, rejected: refused, retries } = totals
  const rest = Object.entries({ failed, expired, cancelled, shed, refused, 'tried again': retries })
  const seen = rest.filter(([, total]) => total > 0).map(([words, total]) => `${count(total)} ${words}`)
  return [`${count(completed)} completed`, ...seen].join(', ')
}

/** A store that is not open: nothing is admitted or started. After the end that is nobody's trouble. */
export function troubleOf({ store, state }: ExecutorStatus): string[] {
  return store && store.state !== 'open' && state !== 'closed' ? [`store ${store.state}`] : []
}

function headLine(status: ExecutorStatus): Line {
  const { name, state, waiting, maxQueueSize, checking, blocked, retrying, oldestWaitMsByPriority } = status
  const bound = maxQueueSize ? ` of ${count(maxQueueSize)}` : ''
  const oldestMs = Math.max(...Object.values(oldestWaitMsByPriority))
  return [
    { text: printable(name), style: 'bold' },
    { text: '  ' },
    { text: state, style: stateStyles[state] },
    ...troubleOf(status).map((text) => ({ text: `  ${text}`, style: 'red' as const })),
    { text: `  ${count(waiting)}${bound} waiting` },
    ...(oldestMs > 0 ? [{ text: `, the oldest for ${duration(oldestMs)}` }] : []),
    ...(retrying > 0 ? [{ text: `, ${count(retrying)} retrying`, style: 'yellow' as const }] : []),
    ...(checking > 0 ? [{ text: `, ${count(checking)} checked` }] : []),
    ...(blocked > 0 ? [{ text: `, ${count(blocked)} blocked`, style: 'yellow' as const }] : []),
  ]
}

/** The colours of the dashboards, as near as those of a terminal come: purple, orange, blue, green. */
const tierStyles: ByPriority<Style> = { urgent: 'magentaBright', high: 'yellow', normal: 'blueBright', low: 'green' }

function tierLines({ status, mostWaiting }: View, columns: number): Line[] {
  const whole = Math.max(status.maxQueueSize ?? mostWaiting, 1)
  const width = roomFor(columns)
  return priorities.map((priority) => {
    const waiting = status.waitingByPriority[priority]
    return [
      label(priority),
      { text: bar(waiting / whole, width), style: tierStyles[priority] },
      { text: ` ${count(waiting)}`, ...(waiting === 0 && { style: 'dim' as const }) },
    ]
  })
}

function slotsLine({ activeWorkers, maxWorkers, stuckWorkers }: ExecutorStatus, columns: number): Line {
  // More than the maximum are busy while it shrinks, and where stuck ones have substitutes.
  const all = Math.max(maxWorkers, activeWorkers)
  const width = Math.min(all, roomFor(columns))
  const cells = (slots: number): number => (slots === 0 ? 0 : Math.max(Math.round((slots * width) / all), 1))
  const stuck = cells(stuckWorkers)
  const busy = Math.max(cells(activeWorkers) - stuck, 0)
  return [
    label('slots'),
    { text: '×'.repeat(stuck), style: 'red' },
    { text: '■'.repeat(busy), style: 'cyan' },
    { text: '□'.repeat(Math.max(width - stuck - busy, 0)), style: 'dim' },
    { text: ` ${count(activeWorkers)} of ${count(maxWorkers)} busy` },
    ...(stuckWorkers > 0 ? [{ text: `, ${count(stuckWorkers)} stuck`, style: 'red' as const }] : []),
  ]
}

function paceLine(name: string, { perSecond, lastMinute }: Pace, style: Style, columns: number): Line {
  const text = `${rate(perSecond).padStart(7)}/s `
  const room = Math.max(columns - LABEL - text.length, 0)
  // From the end, but `slice(-0)` is all.
  return [label(name), { text }, { text: sparkline(lastMinute.slice(Math.max(lastMinute.length - room, 0))), style }]
}

function label(text: string): Piece {
  return { text: text.padEnd(LABEL), style: 'dim' }
}

/** How long a bar may be, with room for the numbers behind it. */
function roomFor(columns: number): number {
  return Math.max(Math.min(columns - LABEL - 30, MAX_BAR), 4)
}

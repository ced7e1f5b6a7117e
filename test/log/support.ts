/** What the tests of the log share: a logger that remembers, and an executor on virtual time. */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Record<string, unknown>
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

type Method = (...args: never[]) => unknown

/** A console-shaped logger, and all that it was told. */
export function memory() {
  const told: Line[] = []
  const methods = levels.map((level) => [
    level,
    (message: string, fields: Record<string, unknown>) => void told.push({ level, message, fields }),
  ])
  return { told, logger: Object.fromEntries(methods) as Record<(typeof levels)[number], Method> }
}

/** Runs each request for as many ms as it says; a negative one fails then. */
export function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw Object.assign(new Error('no luck'), { code: 'E_LUCK' })
      return ms
    },
    { clock, concurrency: 1, name: 'jobs', random: () => 0, ...options },
  )
  const send = (ms: number, more?: Parameters<typeof queue.execute>[1]): Promise<unknown> =>
    queue.execute(ms, more).catch((error: unknown) => error)
  return { clock, queue, send }
}

export function sum(lines: readonly Line[], of: string): number {
  return lines
    .filter(({ fields }) => fields.event === of || fields.of === of)
    .reduce((total, { fields }) => total + (fields.event === of ? 1 : 0) + Number(fields.suppressed ?? 0), 0)
}

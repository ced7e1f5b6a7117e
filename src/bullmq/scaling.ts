/**
 * Who asks how many workers are wanted? A metric for Prometheus, and so for whatever scales by one: KEDA, an autoscaler of one's own.
 */
import { hasMethods } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type QueueSample, WorkersWanted, type WorkersWantedOptions } from './workers-wanted.ts'

export interface ScalingOptions extends WorkersWantedOptions {
  /** How often the queue is looked at, in ms. @default 5_000 */
  readonly everyMs?: number | undefined
}

/** What is asked: a `RemoteExecutor`, or any other executor. */
export interface ScaledExecutor {
  readonly name: string
  getStatus(): QueueSample | Promise<QueueSample>
}

/** Call `stop()`, or declare it with `using`. */
export interface Scaling {
  /** How many workers are wanted now. */
  readonly wanted: number
  /** The gauge `triage_workers_wanted`, as Prometheus reads it. */
  metric(): string
  stop(): void
  [Symbol.dispose](): void
}

/**
 * Looks at a queue every few seconds, and says how many workers it wants.
 *
 * ```ts
 * const scaling = workersWanted(llm, { concurrency: 8, min: 1, max: 20 })
 * response.end(scaling.metric())
 * ```
 * While Redis is away it says what it said last.
 * @throws {OptionsError}
 */
export function workersWanted(executor: ScaledExecutor, options: ScalingOptions): Scaling {
  if (!hasMethods(executor, 'getStatus')) throw new OptionsError('executor', 'an executor', executor)
  const { everyMs = 5_000, ...more } = options
  if (!(typeof everyMs === 'number' && everyMs >= 1)) {
    throw new OptionsError('everyMs', 'a number of ms of at least 1', everyMs)
  }
  const policy = new WorkersWanted(more)
  const look = async (): Promise<void> => {
    try {
      policy.see(await executor.getStatus(), performance.now())
    } catch {
      // Nobody knows how it stands: nothing changes.
    }
  }
  const timer = setInterval(() => void look(), everyMs)
  timer.unref()
  void look()
  const stop = (): void => clearInterval(timer)
  return {
    get wanted() {
      return policy.wanted
    },
    metric: () => metricOf(executor.name, policy.wanted),
    stop,
    [Symbol.dispose]: stop,
  }
}

function metricOf(name: string, wanted: number): string {
  const label = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return [
    '# HELP triage_workers_wanted How many workers the queue wants, by what waits, for how long, what runs and how long a run takes.',
    '# TYPE triage_workers_wanted gauge',
    `triage_workers_wanted{queue="${label}"} ${wanted}`,
    '',
  ].join('\n')
}

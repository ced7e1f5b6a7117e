/**
 * What is a job, and how has it ended? A command for a line, or a call of a function for a line of JSON.
 */
import { hasMethods, isPlain } from '../../core/checks.ts'
import { isPriority, type Priority, priorities } from '../../core/priority.ts'
import type { RunContext, StandardSchema } from '../../index.ts'
import { messageOf } from '../fault.ts'
import type { Loaded } from '../module.ts'
import type { ChildLimits, Children } from './children.ts'
import { shown, type Template } from './template.ts'

export interface Job {
  readonly seq: number
  /** Where its result stands among the others. */
  readonly place: number
  /** As the job log has it. */
  readonly command: string
  readonly priority: Priority
  /** The words of a command, or the request of a function. */
  readonly work: unknown
  isRunning: boolean
  isOver: boolean
  startedAt: number
  runMs: number
}

export interface Outcome {
  readonly ok: boolean
  readonly exitCode: number
  readonly signal: number
  /** What is printed. */
  readonly out: Buffer | string
  readonly err: Buffer | string
  readonly attempts: number
  /** In words, when it has failed. */
  readonly why: string | undefined
  /** It was ended because all was: it has not failed, and is not done. */
  readonly wasEnded: boolean
  /** What stands in a line of JSON. */
  readonly facts: object
}

/** What a job of a line is; what can't be one is said with the number of its line. */
interface Work {
  readonly command: string
  readonly priority: Priority
  readonly work: unknown
}

/** How lines are made into jobs, and jobs are done. */
export interface Worker {
  /** It ends what takes too long itself. */
  readonly hasOwnTimeout: boolean
  /** @throws {Error} for a line that can't be one, in words */
  read(text: string, seq: number): Work
  run(work: unknown, run: RunContext): Promise<Outcome>
}

export function commandWorker(
  template: Template,
  priority: number | undefined,
  children: Children,
  limits: ChildLimits,
): Worker {
  return {
    hasOwnTimeout: true,
    read: (text, seq) => {
      const words = template.fill(text, seq)
      const named = priority === undefined ? undefined : template.columns(text)[priority - 1]
      return { command: shown(words), priority: priorityOf(named), work: words }
    },
    run: async (work, { signal, attempt }) => {
      const end = await children.run(work as readonly string[], limits, signal)
      const { exitCode, out, err } = end
      const ok = exitCode === 0 && end.signal === 0 && end.why === undefined
      const how = end.signal === 0 ? `exit ${exitCode}` : `signal ${end.signal}`
      return {
        ...{ ok, exitCode, signal: end.signal, out, err, attempts: attempt },
        why: ok ? undefined : (end.why ?? how),
        wasEnded: !ok && signal.aborted,
        facts: { exitCode, signal: end.signal, stdout: out.toString(), stderr: err.toString() },
      }
    },
  }
}

export function moduleWorker(loaded: Loaded, priority: string | undefined): Worker {
  const { kind } = loaded
  const schema = kind === 'function' ? (loaded.options.schema as StandardSchema<unknown> | undefined) : undefined
  const call = (request: unknown, run: RunContext): unknown =>
    kind === 'function'
      ? loaded.executor(request, run)
      : loaded.made.execute(request, { priority: run.priority, signal: run.signal })
  return {
    hasOwnTimeout: false,
    read: (text) => {
      let work: unknown
      try {
        work = JSON.parse(text)
      } catch {
        throw new Error('it is not JSON')
      }
      const named = priority === undefined || !isPlain(work) ? undefined : work[priority]
      return { command: text.replaceAll('\t', ' '), priority: priorityOf(named), work }
    },
    run: async (work, run) => {
      try {
        const result = (await call(await checked(schema, work), run)) ?? null
        return outcome(`${JSON.stringify(result)}\n`, run, undefined, { state: 'completed', result })
      } catch (error) {
        const { name, code } = (error ?? {}) as { name?: string; code?: string }
        const message = messageOf(error)
        return outcome('', run, message, { state: 'failed', error: { name, code, message } })
      }
    },
  }
}

function outcome(out: string, { signal, attempt }: RunContext, why: string | undefined, facts: object): Outcome {
  const ok = why === undefined
  const ended = { exitCode: ok ? 0 : 1, signal: 0, wasEnded: !ok && signal.aborted }
  return { ok, ...ended, out, err: '', attempts: attempt, why, facts }
}

async function checked(schema: StandardSchema<unknown> | undefined, value: unknown): Promise<unknown> {
  if (schema === undefined || !hasMethods(schema['~standard'], 'validate')) return value
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return result.value
  throw new Error(`it does not fit the schema: ${result.issues.map(({ message }) => message).join('; ')}`)
}

/** @throws {Error} in words */
function priorityOf(named: unknown): Priority {
  if (named === undefined || named === '') return 'normal'
  if (isPriority(named)) return named
  throw new Error(`its priority ${JSON.stringify(named)} is none of ${priorities.join(', ')}`)
}

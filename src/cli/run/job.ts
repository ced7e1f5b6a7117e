/**
 * What is a job, and how has it ended? A command for a line, or a call of a function for a line of JSON.
 */
import { isUtf8 } from 'node:buffer'
import { hasMethods, isPlain } from '../../core/checks.ts'
import { isPriority, type Priority, priorities } from '../../core/priority.ts'
import type { RunContext, StandardSchema } from '../../index.ts'
import { codeOf, messageOf } from '../fault.ts'
import type { Loaded } from '../module.ts'
import { oneLine } from '../words.ts'
import { type ChildLimits, type Children, NOT_EXECUTABLE } from './children.ts'
import { type Calls, TookTooLong } from './module-call.ts'
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
  /** 0: it was never begun. */
  readonly attempts: number
  /** In words, when it has failed. */
  readonly why: string | undefined
  /** It was ended because all was: it has not failed, and is not done. */
  readonly wasEnded: boolean
  /** What stands in a line of JSON; made when it is asked for. */
  facts(): object
}

/** What a job of a line is. */
export interface Work {
  readonly command: string
  readonly priority: Priority
  readonly work: unknown
}

/** How lines are made into jobs, and jobs are done. */
export interface Worker {
  /** @throws {Error} for a line that can't be one, in words */
  read(text: string, seq: number): Work
  /** The end of a line that is none. */
  refuse(error: Error): Outcome
  /** @throws nothing: whatever happens is an outcome */
  run(work: unknown, run: RunContext): Promise<Outcome>
}

export function commandWorker(
  template: Template,
  priority: number | undefined,
  children: Children,
  limits: ChildLimits,
): Worker {
  return {
    read: (text, seq) => {
      const words = template.fill(text, seq)
      if (words.some((word) => word.includes('\0'))) throw new Error('it has a NUL byte, which no argument can have')
      const named = priority === undefined ? undefined : template.columns(text)[priority - 1]
      return { command: shown(words), priority: priorityOf(named), work: words }
    },
    refuse: ({ message }) => {
      const facts = { exitCode: NOT_EXECUTABLE, signal: 0, stdout: '', stderr: '', error: { message } }
      return { ...failure(message), exitCode: NOT_EXECUTABLE, facts: () => facts }
    },
    run: async (work, { signal, attempt }) => {
      const { exitCode, out, err, ...end } = await children.run(work as readonly string[], limits, signal)
      const ok = exitCode === 0 && end.signal === 0 && end.why === undefined
      const how = end.signal === 0 ? `exit ${exitCode}` : `signal ${end.signal}`
      return {
        ...{ ok, exitCode, signal: end.signal, out, err, attempts: attempt },
        why: ok ? undefined : (end.why ?? how),
        wasEnded: !ok && signal.aborted,
        facts: () => ({
          ...{ exitCode, signal: end.signal, ...textOf('stdout', out), ...textOf('stderr', err) },
          ...(end.why !== undefined && { error: { message: end.why } }),
        }),
      }
    },
  }
}

/** JSON has texts alone: where the bytes are none, they are there as base64, too. */
function textOf(name: string, bytes: Buffer): object {
  return { [name]: bytes.toString(), ...(!isUtf8(bytes) && { [`${name}Base64`]: bytes.toString('base64') }) }
}

export function moduleWorker(loaded: Loaded, priority: string | undefined, calls: Calls, timeoutMs: number): Worker {
  const { kind } = loaded
  const schema = kind === 'function' ? (loaded.options.schema as StandardSchema<unknown> | undefined) : undefined
  const call = (request: unknown, run: RunContext): unknown =>
    kind === 'function'
      ? loaded.executor(request, run)
      : loaded.made.execute(request, { priority: run.priority, signal: run.signal })
  return {
    read: (text, seq) => {
      let work: unknown
      try {
        // Some editors put a byte order mark before the first one.
        work = JSON.parse(seq === 1 ? text.replace(/^\ufeff/, '') : text)
      } catch {
        throw new Error('it is not JSON')
      }
      const named =
        priority !== undefined && isPlain(work) && Object.hasOwn(work, priority) ? work[priority] : undefined
      return { command: oneLine(text), priority: priorityOf(named), work }
    },
    refuse: (error) => failure(error),
    run: async (work, run) => {
      const whole = async (own: RunContext): Promise<unknown> => (await call(await checked(schema, work), own)) ?? null
      try {
        const result = await calls.run(whole, run, timeoutMs)
        const json = JSON.stringify(result)
        if (json === undefined) throw new TypeError(`its answer is a ${typeof result}, which JSON does not have`)
        return outcome(`${json}\n`, run, undefined, { state: 'completed', result })
      } catch (error) {
        return failure(error, run)
      }
    },
  }
}

/** How a job has ended that was never begun, or whose end is an error. */
export function failure(error: unknown, run?: RunContext): Outcome {
  const message = messageOf(error)
  const { name } = (error ?? {}) as { readonly name?: unknown }
  const code = error instanceof TookTooLong ? 'TRIAGE_RUN_TIMEOUT' : codeOf(error)
  return outcome('', run, message, {
    state: 'failed',
    error: { name: typeof name === 'string' ? name : undefined, code, message },
  })
}

function outcome(out: string, run: RunContext | undefined, why: string | undefined, facts: object): Outcome {
  const ok = why === undefined
  const ended = { exitCode: ok ? 0 : 1, signal: 0, wasEnded: !ok && run?.signal.aborted === true }
  return { ok, ...ended, out, err: '', attempts: run?.attempt ?? 0, why, facts: () => facts }
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

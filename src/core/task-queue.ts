/**
 * Tasks as requests: the executor calls whatever function it is handed, as p-queue, p-limit and bottleneck do.
 *
 * It is a `QueuedExecutor` whose requests are functions, and has all of its members. A bundle that does not import it does not
 * carry it.
 */
import type { OnDuplicate } from './admit/duplicates.ts'
import type { Source } from './admit/source.ts'
import { misfit, type OptionRule } from './checks.ts'
import { OptionsError } from './errors.ts'
import type { MapArguments, MapOptions } from './map.ts'
import type { QueuedExecutorOptions, RequestArguments, RequestOptions } from './options.ts'
import { QueuedExecutor } from './queued-executor.ts'
import type { QueuedRequest } from './queued-request.ts'
import type { RunContext } from './run/run-context.ts'
import type { Store } from './store.ts'

/** A function to be called when its turn comes: with `run`, whose signal it hands on. A failure may be tried again: `retry`. */
// biome-ignore lint/suspicious/noExplicitAny: a `Task` is any task, whatever metadata it reads.
export type Task<T = unknown, Metadata = any> = (run: RunContext<Metadata>) => T | PromiseLike<T>

/** Those of a `QueuedExecutor`, but for a schema and other kinds; no store can keep functions over a restart. `onDuplicate` is 'join-by-id' by default, since two closures are never equal. */
export type TaskQueueOptions<Metadata = unknown> = Omit<
  QueuedExecutorOptions<Task<unknown, Metadata>, Metadata>,
  'schema' | 'maxChecking' | 'kinds'
>

/** How the calls of a wrapped function are handed in: always alike, or by their arguments. */
export type WrapArguments<Args extends readonly unknown[], Metadata> = undefined extends Metadata
  ? [options?: RequestOptions<Metadata> | ((...args: Args) => RequestOptions<Metadata>) | undefined]
  : [options: RequestArguments<Metadata>[0] | ((...args: Args) => RequestArguments<Metadata>[0])]

/** A function all of whose signatures promise, and that is nothing else: then its turn changes nothing of its type. */
type Promising<F> = [keyof F, Returned<F>] extends [never, Promise<unknown>] ? F : never

/** What a function returns, by each of up to four signatures. */
type Returned<F> = F extends {
  (...args: infer _A): infer A
  (...args: infer _B): infer B
  (...args: infer _C): infer C
  (...args: infer _D): infer D
}
  ? A | B | C | D
  : F extends { (...args: infer _A): infer A; (...args: infer _B): infer B; (...args: infer _C): infer C }
    ? A | B | C
    : F extends { (...args: infer _A): infer A; (...args: infer _B): infer B }
      ? A | B
      : F extends (...args: infer _A) => infer A
        ? A
        : never

type ArgumentsOf<F> = F extends (...args: infer Args) => unknown ? Args : never

/**
 * Tasks behind a priority queue.
 *
 * ```ts
 * const queue = new TaskQueue({ concurrency: 4 })
 * const page = await queue.run((run) => fetch(url, { signal: run.signal }), { priority: 'high' })
 * const load = queue.wrap(loadUser) // called as loadUser is, but in its turn
 * ```
 */
export class TaskQueue<Metadata = unknown> extends QueuedExecutor<Task<unknown, Metadata>, unknown, Metadata> {
  /** @throws {OptionsError} */
  constructor(options?: TaskQueueOptions<Metadata> | undefined) {
    super(callTask, keepable(options) as QueuedExecutorOptions<Task<unknown, Metadata>, Metadata> | undefined)
  }

  protected static override onDuplicate(): OnDuplicate {
    return 'join-by-id'
  }

  /**
   * Calls a task when its turn comes, and fulfils with its answer. Rejects with the task's own error, untouched; with
   * `signal.reason` when the signal was aborted; or with a `TriageError`: see `code`.
   *
   * While a task with the same `id` is live, its answer is shared, and this one is not called (`onDuplicate`).
   */
  run<T>(task: Task<T, Metadata>, ...options: RequestArguments<Metadata>): Promise<T>
  run<T>(task: Task<T, Metadata>, options?: RequestOptions<Metadata>): Promise<T> {
    return isTask(task) ? QueuedExecutor.prototype.execute.call(this, task, options) : Promise.reject(noTask(task))
  }

  /** The same as `run()`. */
  override execute<T>(task: Task<T, Metadata>, ...options: RequestArguments<Metadata>): Promise<T>
  override execute<T>(task: Task<T, Metadata>, options?: RequestOptions<Metadata>): Promise<T> {
    return TaskQueue.prototype.run.call(this, task, options) as Promise<T>
  }

  override submit<T>(
    task: Task<T, Metadata>,
    ...options: RequestArguments<Metadata>
  ): Promise<QueuedRequest<Task<T, Metadata>, T, Metadata>>
  override submit<T>(
    task: Task<T, Metadata>,
    options?: RequestOptions<Metadata>,
  ): Promise<QueuedRequest<Task<T, Metadata>, T, Metadata>> {
    return isTask(task) ? QueuedExecutor.prototype.submit.call(this, task, options) : Promise.reject(noTask(task))
  }

  override offer<T>(
    task: Task<T, Metadata>,
    ...options: RequestArguments<Metadata>
  ): QueuedRequest<Task<T, Metadata>, T, Metadata> | undefined
  override offer<T>(
    task: Task<T, Metadata>,
    options?: RequestOptions<Metadata>,
  ): QueuedRequest<Task<T, Metadata>, T, Metadata> | undefined {
    if (!isTask(task)) throw noTask(task)
    return QueuedExecutor.prototype.offer.call(this, task, options)
  }

  override map<T>(
    tasks: Source<Task<T, Metadata>>,
    ...options: MapArguments<Metadata>
  ): AsyncGenerator<T, void, undefined>
  override map<T>(
    tasks: Source<Task<T, Metadata>>,
    options?: MapOptions<Metadata>,
  ): AsyncGenerator<T, void, undefined> {
    return QueuedExecutor.prototype.map.call(this, tasks, options)
  }

  /**
   * A function that is called as `fn` is, `this` included, and waits for its turn.
   *
   * Its type is that of `fn` where that always promises, overloads and type parameters included (of more than four overloads
   * the last four are looked at). Otherwise it is the last signature of `fn`, with a promise of its answer.
   * @param options those of each call, or a function of its arguments: `wrap(load, (id) => ({ id }))` loads each only once at a time
   * @throws {OptionsError}
   */
  wrap<F extends object>(fn: Promising<F>, ...options: WrapArguments<ArgumentsOf<F>, Metadata>): F
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
    ...options: WrapArguments<Args, Metadata>
  ): (this: This, ...args: Args) => Promise<Awaited<T>>
  wrap(fn: object, options?: unknown): object {
    if (typeof fn !== 'function') throw new OptionsError('wrap', 'a function', fn)
    const queue = this
    const wrapped = function (this: unknown, ...args: unknown[]): Promise<unknown> {
      try {
        const given = typeof options === 'function' ? options.apply(undefined, args) : options
        return TaskQueue.prototype.run.call(queue, () => fn.apply(this, args), given)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const { name, length } = fn
    return Object.defineProperties(wrapped, { name: { value: name }, length: { value: length } })
  }
}

/** A function does not outlive the process. */
function keepable<M>(options: TaskQueueOptions<M> | undefined): TaskQueueOptions<M> | undefined {
  const store = Object(options).store as Store | undefined
  if (store?.isDurable !== true) return options
  throw new OptionsError('store', 'one in memory, such as memoryStore(), since functions can not be stored', store)
}

/** What a queue of tasks executes. */
function callTask<T, Metadata>(task: Task<T, Metadata>, run: RunContext<Metadata>): T | PromiseLike<T> {
  // Those of `map()` come unseen.
  if (!isTask(task)) throw noTask(task)
  return task(run)
}

function isTask(task: unknown): boolean {
  return typeof task === 'function'
}

const aTask: OptionRule = {
  expected: 'a function',
  fits: isTask,
  hint: () => 'give `() => load()`, not `load()`, which has begun already',
}

/** Most often it is a promise: that of a function which was called already. */
function noTask(task: unknown): OptionsError {
  return misfit('task', aTask, task)
}

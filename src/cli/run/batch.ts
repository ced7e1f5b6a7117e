/**
 * One batch. The lines are read only as fast as jobs end, each job is logged as soon as it has ended, and whatever ends the batch, nothing
 * of it goes on in the background.
 *
 * The file is a little long: it is one batch, from its options to its exit code.
 */
import { availableParallelism } from 'node:os'
import type { QueuedExecutor, RetryPolicy, RunContext } from '../../index.ts'
import type { Call } from '../command.ts'
import { onCut } from '../end.ts'
import { Exit, usage } from '../fault.ts'
import { loadModule } from '../module.ts'
import {
  flushed,
  giveUpOutput,
  isOutputBehind,
  isOutputLost,
  onLostOutput,
  printJson,
  roomToWrite,
  say,
  wakeWriters,
} from '../output.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { duration, oneLine, plural } from '../words.ts'
import { Children, requireCommand } from './children.ts'
import type { Chosen } from './flags.ts'
import { isReached } from './halt.ts'
import { commandWorker, failure, type Job, moduleWorker, type Outcome, type Work, type Worker } from './job.ts'
import { JobLog, type Logged } from './job-log.ts'
import { Calls } from './module-call.ts'
import { Progress } from './progress.ts'
import { Results } from './results.ts'
import { type Line, Source } from './source.ts'
import { Template } from './template.ts'

/** How long whoever reads is waited for when all is cut short. */
const READER_MS = 500

/** The run of a job has failed; what there is to say of it. */
class JobFailed extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super(outcome.why)
    this.outcome = outcome
  }
}

export class Batch {
  readonly #chosen: Chosen
  readonly #children = new Children()
  readonly #calls = new Calls()
  readonly #runs = new Set<Promise<unknown>>()
  /** What is logged when its output has gone out. */
  readonly #telling = new Set<Promise<unknown>>()
  readonly #results: Results<Job & { readonly outcome: Outcome }>
  #source!: Source
  #worker!: Worker
  #executor!: QueuedExecutor<Job, void>
  #log: JobLog | undefined
  #progress!: Progress
  #succeeded = 0
  #failed = 0
  #before = 0
  #left = 0
  #hasBegun = false
  #isStopped = false
  #isOutputLost = false
  #by: Signal | undefined
  /** Why it can't go on. */
  #fault: unknown

  constructor(chosen: Chosen) {
    this.#chosen = chosen
    const window = Math.max(chosen.window, chosen.jobs ?? availableParallelism())
    this.#results = new Results((result) => this.#print(result), chosen.keepOrder, window)
  }

  async run(call: Call): Promise<number> {
    const { joblog, resume, resumeFailed, quiet, input } = this.#chosen
    if ((resume || resumeFailed) && joblog === undefined) throw usage('--resume needs the file: --joblog')
    this.#worker = await this.#workerOf(call)
    this.#executor = await this.#executorOf()
    this.#source = new Source(input)
    if (joblog !== undefined) this.#log = new JobLog(joblog, resumeFailed ? 'failed' : resume ? 'rest' : 'no')
    this.#progress = new Progress(process.stderr, () => this.#counts(), quiet)
    const letGo = this.#listen()
    if (input === undefined && process.stdin.isTTY) this.#complain('reads lines from here; Ctrl-D ends')
    try {
      for await (const line of this.#source.lines()) {
        if (this.#isStopped) break
        if (line.text.trim() === '') continue
        await this.#results.room()
        await roomToWrite()
        // It may have been stopped meanwhile.
        if (this.#isStopped) break
        this.#submit(line)
      }
      await this.#executor.close()
      await Promise.allSettled(this.#runs)
      await flushed()
      await Promise.all(this.#telling)
    } catch (error) {
      this.#children.killAll()
      throw error
    } finally {
      this.#progress.stop()
      this.#log?.close()
      letGo()
    }
    if (!quiet && !this.#isOutputLost) {
      if (this.#left > 0) say(`triage-queue: ${this.#undone(this.#left)}`)
      say(this.#progress.sum())
    }
    if (this.#fault !== undefined) throw this.#fault
    if (this.#by !== undefined) return exitCodeOf(this.#by)
    const isCut = this.#isOutputLost || (this.#left > 0 && this.#chosen.halt === undefined)
    return this.#failed > 0 || isCut || this.#results.unsettled > 0 ? Exit.FAILED : Exit.OK
  }

  async #workerOf({ args, rest }: Call): Promise<Worker> {
    const { colsep, priority, timeout = Number.POSITIVE_INFINITY, maxOutput } = this.#chosen
    const [module] = args
    if (rest === undefined) {
      if (module === undefined)
        throw usage('What shall it run? A command behind --, or a module; see triage-queue run --help')
      if (args.length > 1) throw usage(`Put -- before the command: triage-queue run -- ${args.join(' ')}`)
      return moduleWorker(await loadModule(module), priority, this.#calls, timeout)
    }
    if (module !== undefined) throw usage('A module, or a command behind --: not both')
    const [command] = rest
    if (command === undefined) throw usage('There is no command behind --')
    requireCommand(command)
    const column = priority === undefined ? undefined : Number(priority)
    if (column !== undefined && (colsep === undefined || !Number.isInteger(column) || column < 1)) {
      throw usage('--priority: for a command it is the number of a column, with --colsep')
    }
    return commandWorker(new Template(rest, colsep), column, this.#children, { timeoutMs: timeout, maxOutput })
  }

  async #executorOf(): Promise<QueuedExecutor<Job, void>> {
    const { backoff, QueuedExecutor } = await import('../../index.ts')
    const { jobs = availableParallelism(), retries } = this.#chosen
    // Which failures are worth it is not known here; the window bounds how many there can be.
    const retry: RetryPolicy | undefined =
      retries === 0
        ? undefined
        : backoff({ attempts: retries + 1, budget: Number.POSITIVE_INFINITY, retryIf: isWorthIt })
    return new QueuedExecutor<Job, void>((job, context) => this.#do(job, context), {
      ...{ name: 'run', concurrency: jobs, maxQueueSize: 0, maxRetrying: 0 },
      // A job has a clock of its own, so that it is tried again, and its slot is free.
      runTimeoutMs: Number.POSITIVE_INFINITY,
      ...(retry !== undefined && { retry }),
    })
  }

  #submit({ seq, text: line, isUtf8 }: Line): void {
    let made: Work
    let refused: Outcome | undefined
    try {
      if (!isUtf8) throw new Error('it is not UTF-8')
      made = this.#worker.read(line, seq)
    } catch (error) {
      refused = this.#worker.refuse(error as Error)
      made = { command: oneLine(line), priority: 'normal', work: undefined }
    }
    if (this.#log?.has(seq, made.command) === true) {
      this.#before++
      return
    }
    const times = { startedAt: Date.now(), runMs: 0 }
    const job: Job = { seq, ...made, place: this.#results.take(), isRunning: false, isOver: false, ...times }
    if (refused !== undefined) {
      this.#over(job, refused)
      return
    }
    if (!this.#hasBegun) {
      this.#hasBegun = true
      // What comes in one piece competes by priority from the first job on.
      this.#executor.pause()
      setImmediate(() => this.#executor.resume())
    }
    this.#executor.execute(job, { priority: job.priority }).catch((error: unknown) => this.#failedFor(job, error))
  }

  /** One attempt. */
  async #do(job: Job, context: RunContext): Promise<void> {
    // Whoever reads what they write is waited for: so memory stays flat, too.
    await roomToWrite()
    if (this.#isStopped) return this.#notDone(job)
    job.isRunning = true
    job.startedAt = Date.now()
    const began = performance.now()
    const running = this.#worker.run(job.work, context).catch((error: unknown) => failure(error, context))
    this.#runs.add(running)
    const outcome = await running
    this.#runs.delete(running)
    job.runMs = performance.now() - began
    job.isRunning = false
    if (!outcome.ok && !outcome.wasEnded) {
      // Counted before the slot is free for another: so --halt is exact.
      if (context.attempt > this.#chosen.retries) this.#over(job, outcome)
      throw new JobFailed(outcome)
    }
    // It may have succeeded although it was to end: then it is done.
    if (outcome.ok) this.#over(job, outcome)
    else this.#notDone(job)
  }

  #failedFor(job: Job, error: unknown): void {
    if (job.isOver) return
    if (error instanceof JobFailed) this.#over(job, error.outcome)
    // What runs is over when it has ended, whatever was told of it before.
    else if (job.isRunning) return
    else if (this.#isStopped) this.#notDone(job)
    else this.#over(job, failure(error))
  }

  #notDone(job: Job): void {
    if (job.isOver) return
    job.isOver = true
    this.#left++
    this.#results.settle(job.place, undefined)
  }

  #over(job: Job, outcome: Outcome): void {
    if (job.isOver) return
    job.isOver = true
    if (outcome.ok) this.#succeeded++
    else this.#failed++
    const { seq, startedAt, runMs, command } = job
    const { exitCode, signal, out } = outcome
    const received = Buffer.byteLength(out)
    try {
      // Printed first, as far as who reads: what stands in the log is not run again.
      this.#results.settle(job.place, Object.assign(job, { outcome }))
      this.#record({ seq, startedAt, runMs, sent: 0, received, exitCode, signal, command })
    } catch (error) {
      this.#breaksOff(error)
    }
    this.#look()
  }

  #record(logged: Logged): void {
    const log = this.#log
    if (log === undefined || isOutputLost()) return
    if (!isOutputBehind()) {
      log.write(logged)
      return
    }
    const told = flushed().then((isOut) => {
      this.#telling.delete(told)
      try {
        if (isOut) log.write(logged)
      } catch (error) {
        this.#breaksOff(error)
      }
    })
    this.#telling.add(told)
  }

  /** What can't be shown or logged would be lost, or done again. */
  #breaksOff(error: unknown): void {
    this.#fault ??= error
    this.#stop(true)
  }

  #print({ seq, command, runMs, outcome }: Job & { readonly outcome: Outcome }): void {
    if (isOutputLost()) return
    const { out, err, why, attempts, facts } = outcome
    this.#progress.clear()
    if (this.#chosen.json) printJson({ seq, command, runMs: Math.round(runMs), attempts, ...facts() })
    else {
      if (out.length > 0) process.stdout.write(out)
      if (err.length > 0) process.stderr.write(err)
    }
    if (why === undefined) return
    // Of one that was never begun the line is enough.
    const of = attempts === 0 ? '' : `: ${command.length > 200 ? `${command.slice(0, 199)}…` : command}`
    const tries = attempts > 1 ? ` (${plural(attempts, 'attempt')})` : ''
    this.#complain(`line ${seq}: ${why}${tries}${of}`)
  }

  #complain(what: string): void {
    this.#progress.clear()
    if (!this.#chosen.quiet) say(`triage-queue: ${what}`)
  }

  /** Is it enough? */
  #look(): void {
    const { halt: limit } = this.#chosen
    if (limit === undefined || this.#isStopped || !isReached(limit, this.#succeeded, this.#failed)) return
    this.#stop(limit.when === 'now')
  }

  /** Nothing new is started. @param now what runs is ended, too */
  #stop(now: boolean): void {
    this.#isStopped = true
    this.#source.stop()
    wakeWriters()
    void this.#executor.close(now ? { drain: false, graceMs: 0 } : { drain: false })
    if (now) this.#calls.end()
  }

  /** @returns lets go of all */
  #listen(): () => void {
    // A call that waits for nothing that Node knows of does not end the process: it has a time limit, or a signal comes.
    const alive = setInterval(() => {}, 2 ** 30)
    let grace: NodeJS.Timeout | undefined
    onLostOutput(() => {
      this.#isOutputLost = true
      this.#stop(true)
    })
    onCut(() => {
      this.#children.killAll()
      this.#results.flush()
      return this.#undone(this.#results.unsettled)
    })
    const quits = (): void => {
      this.#children.killAll()
      process.kill(process.pid, 'SIGQUIT')
    }
    process.once('SIGQUIT', quits)
    const cut = (): void => {
      this.#stop(true)
      setTimeout(giveUpOutput, READER_MS).unref()
    }
    const letGo = onSignals({
      first: (signal) => {
        this.#by = signal
        grace = setTimeout(cut, this.#chosen.grace)
        const { running } = this.#counts()
        const within = duration(this.#chosen.grace)
        if (running > 0)
          this.#complain(
            `${signal}: ${plural(running, 'job')} may end within ${within}; once more to end ${running === 1 ? 'it' : 'them'}`,
          )
        this.#stop(false)
      },
      second: cut,
      third: () => this.#children.killAll(),
    })
    return () => {
      letGo()
      process.off('SIGQUIT', quits)
      onCut(() => undefined)
      clearTimeout(grace)
      clearInterval(alive)
    }
  }

  #undone(many: number): string {
    return `${plural(many, 'job')} of those that were read ${many === 1 ? 'was' : 'were'} not done`
  }

  #counts() {
    const expected = this.#source.expected
    return {
      succeeded: this.#succeeded,
      failed: this.#failed,
      before: this.#before,
      running: this.#runs.size,
      expected,
    }
  }
}

function isWorthIt(error: unknown): boolean {
  return error instanceof JobFailed && !error.outcome.wasEnded
}

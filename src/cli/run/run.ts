/**
 * `run`: a batch from stdin or a file, through a queue. The lines are read only as fast as jobs end, each job is logged as soon as it
 * has ended, and whatever ends the batch, nothing of it goes on in the background.
 *
 * The file is a little long: it is one batch, from its options to its exit code.
 */
import { availableParallelism } from 'node:os'
import type { QueuedExecutor, RetryPolicy, RunContext } from '../../index.ts'
import { type Call, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { Exit, usage } from '../fault.ts'
import { loadModule } from '../module.ts'
import { onBrokenPipe, printJson, say } from '../output.ts'
import { bytes, duration, integer, text } from '../parse.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { plural } from '../words.ts'
import { Children, requireCommand } from './children.ts'
import { halt, isReached } from './halt.ts'
import { commandWorker, type Job, moduleWorker, type Outcome, type Worker } from './job.ts'
import { JobLog } from './job-log.ts'
import { Progress } from './progress.ts'
import { Results } from './results.ts'
import { type Line, Source } from './source.ts'
import { Template } from './template.ts'

const flags = {
  jobs: optional(
    '-j, --jobs <n>',
    'how many run at once (default: as many as there are processors)',
    integer(1, 100_000),
  ),
  input: optional('-a, --input <file>', 'reads the lines from this file, and not from stdin', text),
  priority: optional(
    '--priority <field>',
    'where the priority stands: the name of a member, or the number of a column (--colsep)',
    text,
  ),
  colsep: optional('--colsep <text>', 'what stands between columns, which are {1}, {2} …', (given) =>
    given.replaceAll('\\t', '\t'),
  ),
  keepOrder: toggle(
    '-k, --keep-order',
    'prints results in the order of the lines, not as they come; what is held back for that is lost if it is killed',
  ),
  retries: option('--retries <n>', 'how often a job that fails is tried again', integer(0, 1_000), 0),
  timeout: optional('--timeout <time>', 'ends a job that takes longer: it has failed', duration),
  halt: optional(
    '--halt <when>',
    "when to stop: never, 'now,fail=1' (ends what runs), 'soon,fail=3' (starts no more)",
    halt,
  ),
  joblog: optional('--joblog <file>', 'a line for each job that has ended, with the columns of GNU parallel', text),
  resume: toggle('--resume', 'goes on from the job log: what stands there is not run again'),
  resumeFailed: toggle('--resume-failed', 'as --resume, and what has failed is run again'),
  window: option(
    '--window <n>',
    'how many lines are read ahead of those that are done: so many can a priority overtake',
    integer(1),
    1_000,
  ),
  maxOutput: option(
    '--max-output <size>',
    'how much a command may write: more, and it has failed (default 64MB)',
    bytes,
    64 * 1024 * 1024,
  ),
  json: toggle('--json', 'a line of JSON for each job that has ended, the failed ones included'),
  quiet: toggle('-q, --quiet', 'says nothing of its own on stderr'),
}

type Chosen = Values<typeof flags>

export const run = defineCommand({
  name: 'run',
  summary: 'Works through the lines of stdin or of a file: a command for each, or a call of a function.',
  about: [
    'In a command {} is the line, {.} the line without extension, {/} its last part, {#} its number, {1} {2} … its columns; without any of',
    'them the line comes last. There is no shell in between: for one, write sh -c. For a module each line is JSON, and so are the results.',
    'What a job writes is printed when it has ended. The first Ctrl-C lets the running jobs end, the second ends them and all that they',
    'have started. It ends with 0 when each job has succeeded, with 1 when one has failed.',
  ].join(' '),
  args: [{ name: '[module...]', what: 'a function (request, run) => answer, as for serve' }],
  rest: '-- command {}',
  flags,
  examples: [
    [`seq 1000 | triage-queue run -j 4 -- sh -c 'echo "$1" | sha256sum' _ {}`, 'a thousand commands, four at once'],
    [
      'ls | triage-queue run --joblog log --retries 2 -- gzip -k {}',
      'with a log; the same line with --resume goes on from it',
    ],
    [
      `printf 'low\\ta\\nurgent\\tb\\n' | triage-queue run -j 1 --colsep '\\t' --priority 1 -- echo {2}`,
      'the most urgent lines first',
    ],
    [
      'triage-queue run ./hash.mjs -j 8 --keep-order < requests.ndjson > results.ndjson',
      'a function for each line of JSON',
    ],
  ],
  run: (chosen, call) => new Batch(chosen).run(call),
})

/** The run of a job has failed; what there is to say of it. */
class JobFailed extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super(outcome.why)
    this.outcome = outcome
  }
}

class Batch {
  readonly #chosen: Chosen
  readonly #children = new Children()
  readonly #runs = new Set<Promise<unknown>>()
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
  #isStopped = false
  #isPipeBroken = false
  #by: Signal | undefined

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
    try {
      for await (const line of this.#source.lines()) {
        if (this.#isStopped) break
        if (line.text.trim() === '') continue
        await this.#results.room()
        // It may have been stopped meanwhile.
        if (this.#isStopped) break
        this.#submit(line)
      }
      await this.#executor.close()
      await Promise.allSettled(this.#runs)
    } catch (error) {
      this.#children.killAll()
      throw error
    } finally {
      this.#progress.stop()
      this.#log?.close()
      letGo()
    }
    if (this.#left > 0 && !quiet && !this.#isPipeBroken) {
      say(
        `triage-queue: ${plural(this.#left, 'job')} of those that were read ${this.#left === 1 ? 'was' : 'were'} not done`,
      )
    }
    if (!quiet && !this.#isPipeBroken) say(this.#progress.sum())
    if (this.#by !== undefined) return exitCodeOf(this.#by)
    return this.#failed > 0 || this.#isPipeBroken ? Exit.FAILED : Exit.OK
  }

  async #workerOf({ args, rest }: Call): Promise<Worker> {
    const { colsep, priority, timeout = Number.POSITIVE_INFINITY, maxOutput } = this.#chosen
    const [module] = args
    if (rest === undefined) {
      if (module === undefined)
        throw usage('What shall it run? A command behind --, or a module; see triage-queue run --help')
      if (args.length > 1) throw usage(`Put -- before the command: triage-queue run -- ${args.join(' ')}`)
      return moduleWorker(await loadModule(module), priority)
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
    const { jobs = availableParallelism(), retries, timeout } = this.#chosen
    // Which failures are worth it is not known here; the window bounds how many there can be.
    const retry: RetryPolicy | undefined =
      retries === 0
        ? undefined
        : backoff({ attempts: retries + 1, budget: Number.POSITIVE_INFINITY, retryIf: isWorthIt })
    return new QueuedExecutor<Job, void>((job, context) => this.#do(job, context), {
      ...{ name: 'run', concurrency: jobs, maxQueueSize: 0, maxRetrying: 0 },
      // A command is ended by its own clock, so that it is tried again.
      runTimeoutMs: this.#worker.hasOwnTimeout ? Number.POSITIVE_INFINITY : (timeout ?? Number.POSITIVE_INFINITY),
      ...(retry !== undefined && { retry }),
    })
  }

  #submit({ seq, text: line }: Line): void {
    let made: Omit<Job, 'place'>
    try {
      const { command, priority, work } = this.#worker.read(line, seq)
      made = { seq, command, priority, work, isRunning: false, isOver: false, startedAt: 0, runMs: 0 }
    } catch (error) {
      this.#failed++
      this.#complain(`line ${seq}: ${(error as Error).message}`)
      this.#look()
      return
    }
    if (this.#log?.has(seq, made.command) === true) {
      this.#before++
      return
    }
    const job: Job = { ...made, place: this.#results.take() }
    if (job.place === 0) {
      // What comes in one piece competes by priority from the first job on.
      this.#executor.pause()
      setImmediate(() => this.#executor.resume())
    }
    this.#executor.execute(job, { priority: job.priority }).catch((error: unknown) => this.#failedFor(job, error))
  }

  /** One attempt. */
  async #do(job: Job, context: RunContext): Promise<void> {
    job.isRunning = true
    job.startedAt = Date.now()
    const began = performance.now()
    const running = this.#worker.run(job.work, context)
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
    else if (this.#isStopped) this.#notDone(job)
  }

  #failedFor(job: Job, error: unknown): void {
    if (job.isOver) return
    if (error instanceof JobFailed) this.#over(job, error.outcome)
    else if ((error as { code?: string }).code === 'TRIAGE_RUN_TIMEOUT') this.#over(job, timedOut(error as Error))
    else if (!job.isRunning) this.#notDone(job)
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
    // Printed first: what stands in the log is not run again.
    this.#results.settle(job.place, Object.assign(job, { outcome }))
    this.#log?.write({ seq, startedAt, runMs, sent: 0, received: Buffer.byteLength(out), exitCode, signal, command })
    this.#look()
  }

  #print({ seq, command, runMs, outcome }: Job & { readonly outcome: Outcome }): void {
    if (this.#isPipeBroken) return
    const { out, err, why, attempts, facts } = outcome
    this.#progress.clear()
    if (this.#chosen.json) {
      printJson({ seq, command, runMs: Math.round(runMs), attempts, ...facts })
      return
    }
    if (out.length > 0) process.stdout.write(out)
    if (err.length > 0) process.stderr.write(err)
    if (why !== undefined)
      this.#complain(`line ${seq}: ${why}: ${command.length > 200 ? `${command.slice(0, 199)}…` : command}`)
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
    void this.#executor.close(now ? { drain: false, graceMs: 0 } : { drain: false })
  }

  #listen(): () => void {
    onBrokenPipe(() => {
      this.#isPipeBroken = true
      this.#stop(true)
    })
    return onSignals({
      first: (signal) => {
        this.#by = signal
        const { running } = this.#counts()
        if (running > 0)
          this.#complain(
            `${signal}: ${plural(running, 'job')} may end; once more to end ${running === 1 ? 'it' : 'them'}`,
          )
        this.#stop(false)
      },
      second: () => this.#stop(true),
      third: () => this.#children.killAll(),
    })
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

function timedOut({ message }: Error): Outcome {
  const facts = { state: 'failed', error: { code: 'TRIAGE_RUN_TIMEOUT', message } }
  return { ok: false, exitCode: 1, signal: 0, out: '', err: '', attempts: 1, why: message, wasEnded: false, facts }
}

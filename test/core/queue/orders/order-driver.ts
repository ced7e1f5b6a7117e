/**
 * How does an order policy do under load? A discrete simulation: the real RequestQueue, slots, and a clock that jumps from
 * event to event. It tells the policy what an executor tells it: what starts, what has settled, what leaves unstarted.
 *
 * Not a QueuedExecutor on a VirtualClock, since ten thousand small problems must be solved within seconds.
 */
import { type OrderPolicy, type OrderQuestion, type Priority, type QueueTicket, RequestQueue } from 'triage-queue'
import { Deadlines } from '../../../../src/core/queue/deadlines.ts'

/** A policy that also wants to hear of requests that leave the queue before their turn. */
export type Told = OrderPolicy & { left?(question: Readonly<OrderQuestion>, rank: number): void }

export interface Job {
  readonly key: string
  readonly runMs: number
  readonly priority?: Priority
  readonly cost?: number
  /** Ends it, if it still waits then: after so many ms. */
  readonly patienceMs?: number
  ended?(): void
}

/** A job on its way. */
export interface Task {
  readonly job: Job
  readonly submittedAt: number
  startedAt: number | undefined
  question: OrderQuestion
  rank: number
}

export class Driver {
  now = 0
  /** All that have started, in that order. */
  readonly started: Task[] = []
  readonly waiting = new Map<Task, QueueTicket<Task>>()
  readonly #policy: Told
  readonly #queue: RequestQueue<Task>
  readonly #agenda = new Deadlines<() => void>()
  readonly #whenStarted: (task: Task) => void
  #free: number
  #asked: Task | undefined

  constructor(policy: Told, slots: number, whenStarted: (task: Task) => void = () => {}) {
    this.#policy = policy
    this.#free = slots
    this.#whenStarted = whenStarted
    this.#queue = new RequestQueue({
      maxQueueSize: 0,
      clock: { now: () => this.now, setTimeout: () => undefined, clearTimeout: () => {} },
      order: {
        name: policy.name,
        acrossTiers: policy.acrossTiers,
        ...(policy.turns && { turns: policy.turns }),
        rank: (question) => this.#rank(question),
      },
    })
  }

  at(time: number, what: () => void): void {
    this.#agenda.set(what, time)
  }

  submit(job: Job): Task {
    const task: Task = {
      job,
      submittedAt: this.now,
      startedAt: undefined,
      question: undefined as never,
      rank: Number.NaN,
    }
    this.#asked = task
    this.waiting.set(task, this.#queue.enqueue(task, { priority: job.priority ?? 'normal' }))
    const { patienceMs } = job
    if (patienceMs !== undefined) this.at(this.now + patienceMs, () => this.leave(task))
    return task
  }

  setPriority(task: Task, priority: Priority): void {
    const { question, rank } = task
    this.#asked = task
    this.#queue.setPriority(this.waiting.get(task) as QueueTicket<Task>, priority)
    if (question !== task.question) this.#policy.left?.(question, rank)
  }

  leave(task: Task): void {
    const ticket = this.waiting.get(task)
    if (ticket === undefined) return
    this.#queue.remove(ticket)
    this.waiting.delete(task)
    this.#policy.left?.(task.question, task.rank)
  }

  /** All that wait, in the order in which they would start. */
  line(): Task[] {
    const position = (task: Task) => this.#queue.position(this.waiting.get(task) as QueueTicket<Task>) as number
    return [...this.waiting.keys()].sort((a, b) => position(a) - position(b))
  }

  /** Starts what there are slots for, and goes on from event to event, to this time or until nothing is left to do. */
  run(until = Number.POSITIVE_INFINITY): void {
    this.#dispatch()
    while (this.#agenda.nextDueAt <= until && this.#agenda.size > 0) {
      this.now = this.#agenda.nextDueAt
      // What happens at one instant happens before anything is started.
      for (let what = this.#agenda.takeDue(this.now); what !== undefined; what = this.#agenda.takeDue(this.now)) what()
      this.#dispatch()
    }
    if (until < Number.POSITIVE_INFINITY) this.now = until
  }

  #dispatch(): void {
    while (this.#free > 0) {
      const task = this.#queue.dequeue()
      if (task === undefined) return
      this.waiting.delete(task)
      this.#free--
      task.startedAt = this.now
      this.started.push(task)
      this.#policy.started?.(task.question, task.rank)
      this.#whenStarted(task)
      this.at(this.now + task.job.runMs, () => {
        this.#free++
        this.#policy.settled?.(task.question, task.rank, task.job.runMs)
        task.job.ended?.()
      })
    }
  }

  #rank({ tier, sequence, admittedAt }: Readonly<OrderQuestion>): number {
    const task = this.#asked as Task
    const deadline = task.submittedAt + (task.job.patienceMs ?? Number.POSITIVE_INFINITY)
    task.question = ask({ tier, sequence, admittedAt, deadline, request: task.job })
    task.rank = this.#policy.rank(task.question)
    return task.rank
  }
}

export function pick<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T
}

/** A question with plain numbers, for a policy on its own. */
export function ask(question: Partial<OrderQuestion>): OrderQuestion {
  const { POSITIVE_INFINITY } = Number
  return {
    tier: 2,
    sequence: 1,
    admittedAt: 0,
    deadline: POSITIVE_INFINITY,
    cost: 1,
    attempt: 1,
    request: undefined,
    metadata: undefined,
    ...question,
  }
}

/**
 * The plain slot loop: a linked list, a counter, a promise for each request, and no feature at all. What any queue of
 * promises has to cost.
 */
import type { Job, Task } from '../job.ts'
import type { Peer, Queue } from './peer.ts'

class Waiting {
  readonly job: Job
  readonly resolve: (answer: number) => void
  readonly reject: (error: unknown) => void
  next: Waiting | undefined = undefined

  constructor(job: Job, resolve: (answer: number) => void, reject: (error: unknown) => void) {
    this.job = job
    this.resolve = resolve
    this.reject = reject
  }
}

class BareLoop implements Queue {
  readonly #task: Task
  #free: number
  #first: Waiting | undefined
  #last: Waiting | undefined

  constructor(task: Task, concurrency: number) {
    this.#task = task
    this.#free = concurrency
  }

  execute(job: Job): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(job, resolve, reject)
      if (this.#free > 0) {
        this.#free--
        this.#run(waiting)
      } else if (this.#last === undefined) this.#first = this.#last = waiting
      else this.#last = this.#last.next = waiting
    })
  }

  executeByTier(job: Job): Promise<number> {
    return this.execute(job)
  }

  #run(waiting: Waiting): void {
    ;(this.#task(waiting.job) as Promise<number>).then(
      (answer) => {
        waiting.resolve(answer)
        this.#next()
      },
      (error) => {
        waiting.reject(error)
        this.#next()
      },
    )
  }

  #next(): void {
    const first = this.#first
    if (first === undefined) this.#free++
    else {
      this.#first = first.next
      if (this.#first === undefined) this.#last = undefined
      this.#run(first)
    }
  }
}

export const peer: Peer = {
  about: 'a plain slot loop, no features',
  priorities: false,
  limits: true,
  needsPromise: true,
  create: (task, concurrency) => new BareLoop(task, concurrency),
}

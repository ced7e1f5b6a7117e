/**
 * How did they end? Each request is counted when it is made and when its end is known, and nothing else is kept of it.
 */
import { isTriageError, type QueuedRequest } from 'triage-queue'
import { Failure } from './job.ts'

export class Tally {
  requests = 0
  readonly outcomes: Record<string, number> = {}

  /** One that a listener has made. */
  followed(admitted: boolean): void {
    this.requests++
    this.end(admitted ? 'not looked at' : 'no room')
  }

  end(outcome: string, count = 1): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + count
  }

  readonly completed = (): void => this.end('completed')

  readonly refused = (error: unknown): void => this.end(outcomeOf(error))

  /** Settles when the request has ended; never rejects. */
  watch(answer: PromiseLike<unknown>): PromiseLike<void> {
    this.requests++
    return answer.then(this.completed, this.refused)
  }

  /** What becomes of a request whose handle is given out; not all read its result. */
  watchHandle(
    handle: PromiseLike<QueuedRequest | undefined>,
    use: (handle: QueuedRequest) => boolean,
  ): PromiseLike<void> {
    this.requests++
    return handle.then((admitted) => {
      if (admitted === undefined) this.end('no room')
      else if (use(admitted)) return admitted.result.then(this.completed, this.refused)
      else this.end('not looked at')
      return undefined
    }, this.refused)
  }
}

/** The code of an error of ours, or a word. */
export function outcomeOf(error: unknown): string {
  if (isTriageError(error)) return error.code
  if (error instanceof Failure) return 'failed'
  return error instanceof DOMException && error.name === 'AbortError' ? 'aborted' : `unexpected: ${error}`
}

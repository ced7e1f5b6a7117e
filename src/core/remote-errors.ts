/**
 * What may go wrong where a run is elsewhere: in a thread, on another machine, behind HTTP. Apart from the other errors: who runs
 * all in one process need not bundle them.
 */
import { type ErrorSubject, TriageError, type TriageErrorCode } from './triage-error.ts'

/** All of these: the gateway is well, and what is behind it did not answer. HTTP: 502. */
class RemoteError extends TriageError {
  constructor(code: TriageErrorCode, message: string, subject?: ErrorSubject, cause?: unknown) {
    super(code, message, subject, cause === undefined ? undefined : { cause })
  }

  override get statusCode(): number {
    return 502
  }
}

/** The thread or process that ran it has ended before its answer. A retry policy may try it again. */
export class WorkerLostError extends RemoteError {
  declare readonly code: 'TRIAGE_WORKER_LOST'
  override readonly name: string = 'WorkerLostError'

  /** @param why what is known: an exit code, or that it ran out of memory */
  constructor(why: string, subject?: ErrorSubject, cause?: unknown) {
    super('TRIAGE_WORKER_LOST', `The worker has ended before its answer: ${why}`, subject, cause)
  }
}

/** Its worker is the owner no more, since it was not heard of for too long: another one may run it, and this answer does not count. */
export class LockLostError extends RemoteError {
  declare readonly code: 'TRIAGE_LOCK_LOST'
  override readonly name: string = 'LockLostError'

  constructor(subject?: ErrorSubject, cause?: unknown) {
    super('TRIAGE_LOCK_LOST', 'The worker is not the owner of the request any more', subject, cause)
  }
}

/** It has ended, and its answer is not there: it was not kept, or was removed. */
export class ResultLostError extends RemoteError {
  declare readonly code: 'TRIAGE_RESULT_LOST'
  override readonly name: string = 'ResultLostError'

  constructor(why: string, subject?: ErrorSubject, cause?: unknown) {
    super('TRIAGE_RESULT_LOST', `The request has ended, and its answer is lost: ${why}`, subject, cause)
  }
}

/** What the executor behind an HTTP service has failed with. Everywhere else it is the executor's own error. */
export class RunFailedError extends RemoteError {
  declare readonly code: 'TRIAGE_RUN_FAILED'
  override readonly name: string = 'RunFailedError'

  constructor(why: string, subject?: ErrorSubject, cause?: unknown) {
    super('TRIAGE_RUN_FAILED', `The run has failed: ${why}`, subject, cause)
  }
}

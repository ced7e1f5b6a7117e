/**
 * What piscina runs in each thread of `threads()`: it loads the user's file as the thread starts, and calls its function.
 *
 * An answer is sent from here, not by piscina, which takes a thrown null for an answer, drops what errors have of their own, and lets
 * the thread die of an answer that can't be cloned.
 */
import { type Transferable as Moved, parentPort, threadId, workerData } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import { ResultLostError } from '../core/remote-errors.ts'
import { crossing } from './crossing.ts'
import { Flag } from './flag.ts'
import { loadWork } from './load-work.ts'
import { Run, reasonOf, type Transferable } from './thread-run.ts'
import { type Answer, SAYS, type Said, type Task, type Work } from './wire.ts'

/** The rest is the user's. */
const { work } = workerData as { readonly work: Work }

const loading = loadWork(work).then(
  (loaded) => {
    say({ [SAYS]: 'loaded', thread: threadId })
    return loaded
  },
  (error): never => {
    say({ [SAYS]: 'failed', thread: threadId, error: crossing(error) })
    // A module that has failed to load fails for ever in this thread: another one may try.
    process.exit(1)
  },
)

/** Runs one task; what it answers is said before this fulfils. */
export async function run({ number, request, about, flag: buffer }: Task): Promise<void> {
  const flag = new Flag(buffer)
  flag.thread = threadId
  const work = await loading
  const says = (fraction: number, message: string | undefined): void =>
    say({ [SAYS]: 'progress', number, fraction, message })
  const context = new Run(about, flag, says)
  let answer: Answer
  try {
    if (flag.isAborted) throw reasonOf(flag)
    answer = { ok: true, value: await work(request, context) }
  } catch (error) {
    answer = { ok: false, error: crossing(error) }
  }
  flag.end()
  try {
    say({ [SAYS]: 'answer', number, answer }, answer.ok ? context.transferred : [])
  } catch (error) {
    const lost = new ResultLostError(`it can't leave its thread: ${describe(error)}`, {
      requestId: about.id,
      started: true,
    })
    say({ [SAYS]: 'answer', number, answer: { ok: false, error: crossing(lost) } })
  }
}

function say(said: Said, transferred: readonly Transferable[] = []): void {
  parentPort?.postMessage(said, transferred as Moved[])
}

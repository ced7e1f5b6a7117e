/**
 * A part of the soak: whatever way a request ends, nothing of it stays in memory, though its executor lives on, and runs
 * something all the while. Needs --expose-gc.
 */
import { AsyncResource } from 'node:async_hooks'
import { batched, DeadLetters, type Executor, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { Follower, type Payload, type Subject } from './follower.ts'
import { Failure } from './job.ts'
import { must } from './must.ts'
import { type CollectedReport, MAX_LETTERS, type PartOptions } from './report.ts'
import { NEIGHBOUR, type Way, ways } from './ways.ts'

/** As Node's timers do, its own take the context along in which they are set. */
class ContextClock extends VirtualClock {
  override setTimeout(callback: () => void, delayMs: number): ReturnType<VirtualClock['setTimeout']> {
    return super.setTimeout(AsyncResource.bind(callback), delayMs)
  }
}

const RUN_MS = 10
const PER_ROUND = 68

export async function collected(requests: number, { progress, leaks }: PartOptions): Promise<CollectedReport> {
  const follower = new Follower()
  const clock = new ContextClock()
  const rounds = Math.ceil(requests / PER_ROUND)
  // What outlives the requests: a signal that they share, their executors, and what leaks on purpose.
  const lasting = new AbortController()
  const subjects: Subject[] = []
  const leaked: object[] = []

  const serve: Executor<Payload, object> = async ({ kind }, run) => {
    if (kind === NEIGHBOUR) await new Promise(() => {})
    follower.follow('run', run)
    const signal = kind === 'hears' ? follower.follow('signal of a run', run.signal) : undefined
    await clock.sleep(kind === 'deaf' ? 5 * RUN_MS : RUN_MS, signal === undefined ? {} : { signal })
    if (kind === 'fails' || (kind === 'flaky' && run.attempt === 1)) throw new Failure(kind)
    const answer = follower.follow('answer', { of: kind })
    if (leaks && kind === 'leaks') leaked.push(answer)
    return answer
  }
  const take = async ({ name, end, options, act }: Way, executor = serve): Promise<Subject> => {
    const subject: Subject = new QueuedExecutor(executor, { clock, concurrency: 2, maxQueueSize: 2, ...options })
    subjects.push(subject)
    // It runs for ever, so that the executor is never idle, and has no occasion to forget all.
    void subject.execute({ kind: NEIGHBOUR }, { runTimeoutMs: Number.POSITIVE_INFINITY }).catch(() => {})
    await clock.settle()
    follower.way = name
    follower.ends.clear()
    for (let i = 0; i < rounds; i++) {
      await act({ subject, follower, clock, lasting: lasting.signal })
      await clock.advance(10 * RUN_MS)
    }
    must(follower.ends.has(end), () => `no request ${name} was ${end}, but ${[...follower.ends]}`)
    progress(follower.requests)
    return subject
  }

  for (const way of ways) await take(way)
  const inBatches = batched<Payload, object>(async (all) => all.map(() => follower.follow('answer', {})), {
    maxSize: 2,
    clock,
  })
  const twice = ({ follower, subject }: Parameters<Way['act']>[0]): void => {
    for (let i = 0; i < 2; i++) follower.execute(subject)
  }
  await take({ name: 'of a batch', end: 'completed', act: twice }, (payload, run) =>
    payload.kind === NEIGHBOUR ? serve(payload, run) : inBatches(payload, run),
  )
  let letters: DeadLetters<Payload, unknown> | undefined
  const dead = await take({
    name: 'that was a dead letter for a while',
    end: 'failed',
    act({ subject, follower }) {
      letters ??= new DeadLetters(subject, { max: MAX_LETTERS })
      follower.execute(subject, {}, 'fails')
    },
  })
  // The last ones are kept: these nobody follows.
  for (let i = 0; i < MAX_LETTERS; i++) {
    await clock.run({ until: dead.execute({ kind: 'fails' }).catch(() => {}) })
  }

  const made = follower.requests
  const left = await follower.left()
  // They must still be here: were they gone, no wonder that all else is.
  for (const subject of subjects) must(subject.getStatus().running === 1, () => 'a neighbour has ended')
  must(!lasting.signal.aborted, () => 'the signal of all was aborted')
  must(leaks === leaked.length > 0, () => 'it should leak, and has not')
  return { requests: made, followed: follower.followed, left, letters: letters?.size ?? 0 }
}

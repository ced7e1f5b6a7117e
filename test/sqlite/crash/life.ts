/**
 * A process that uses a store as much as it can, writes down each call before it is made and each answer after it was given, and
 * waits to be killed.
 */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { priorityOf } from '../../../src/core/priority.ts'
import { FileStore } from '../../../src/sqlite/file-store.ts'
import { readSqliteOptions } from '../../../src/sqlite/options.ts'
import { seeded } from '../../support/seeded.ts'
import { type Call, MAX_ATTEMPTS } from './history.ts'

const [path = '', pointFile = '', logFile = '', seed = ''] = process.argv.slice(2)
// What is in a file stays there when the process is killed.
const log = openSync(logFile, 'w')
const random = seeded(Number(seed))
const below = (n: number) => Math.floor(random() * n)
const CALLERS = 24
/** Few, so that many calls meet the same. */
const IDS = 400

function say(line: unknown): void {
  writeSync(log, `${JSON.stringify(line)}\n`)
}

const keep = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
const store = await FileStore.open(readSqliteOptions(path, { keep: { completed: keep, dead: keep } }), (workerData) => {
  return new Worker(join(import.meta.dirname, 'worker.ts'), { workerData: { ...workerData, pointFile } })
})
const queue = store.queue('main', { maxAttempts: MAX_ATTEMPTS })

let calls = 0

/** Makes a call, and tells what it was answered. */
async function call<T>(
  it: Call,
  work: () => Promise<T>,
  answerOf: (answer: T) => unknown = () => undefined,
): Promise<T> {
  const number = calls++
  say([number, it])
  const answer = await work()
  say([number, 'answered', answerOf(answer)])
  return answer
}

async function submit(): Promise<void> {
  const id = `id${below(IDS)}`
  const tier = below(4)
  const payload = JSON.stringify({ id, text: 'x'.repeat(below(900)), ...(below(9) === 0 ? { other: true } : {}) })
  const isStarted = below(3) === 0
  const seq = queue.nextSeq()
  const { as } = await call(
    ['admit', seq, id, tier, payload, isStarted],
    () =>
      queue.admitted({
        ...{ seq, id, isKey: true, priority: priorityOf(tier), payload, submittedAt: Date.now(), limits: {} },
        startedAt: isStarted ? Date.now() : undefined,
      }),
    (answer) => answer.as,
  )
  if (as === 'stored') await run(seq, isStarted ? 1 : 0, isStarted)
}

async function run(seq: number, before: number, isStarted: boolean): Promise<void> {
  let attempt = before
  let isRunning = isStarted
  for (;;) {
    if (below(5) === 0) {
      const tier = below(4)
      await call(['priority', seq, tier], () => queue.changed(seq, { priority: priorityOf(tier) }))
    }
    if (!isRunning) {
      // Some stay, for the lives to come.
      if (below(12) === 0) return
      const next = ++attempt
      await call(['begin', seq, next], () => queue.begins(seq, next, Date.now()))
    }
    isRunning = false
    if (below(3) === 0) {
      const ended = attempt
      await call(['attemptEnded', seq, ended], () => queue.attemptEnded(seq, ended, {}))
      continue
    }
    const outcome = (['completed', 'completed', 'cancelled', 'failed'] as const)[below(4)] as 'completed'
    const result = outcome === 'completed' ? JSON.stringify(`answer ${seq}`) : null
    const end = { outcome, endedAt: Date.now(), attempts: attempt, result: `answer ${seq}`, waitMs: 1 }
    await call(['end', seq, outcome, result], () => queue.ended(seq, end))
    return
  }
}

async function requeue(): Promise<void> {
  const id = `id${below(IDS)}`
  // The store takes the next number by itself.
  const seq = queue.nextSeq() + 1
  const again = await call(
    ['requeue', seq, id],
    () => queue.requeue(id),
    (record) => (record ? 'requeued' : 'nothing'),
  )
  if (again !== undefined) await run(again.seq, 0, false)
}

const { records } = await call(['recover'], () => queue.recover(undefined, 1e6))
process.stdout.write('ready')
for (const { seq, attempts } of records) void run(seq, attempts, false)
for (let i = 0; i < CALLERS; i++) {
  void (async () => {
    for (;;) await (below(15) === 0 ? requeue() : submit())
  })()
}

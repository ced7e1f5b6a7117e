/**
 * A process with an executor and its store under load, that writes down what it asks and what it is answered, and waits to be
 * killed. With `drain` it asks nothing, and finishes what was kept.
 */
import { openSync, writeSync } from 'node:fs'
import {
  backoff,
  isTriageError,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedRequest,
} from '../../../src/index.ts'
import { openStore } from '../../../src/sqlite/index.ts'
import { seeded } from '../../support/seeded.ts'
import type { Line, Payload } from './judge.ts'

const [path = '', logFile = '', seed = '', mode = ''] = process.argv.slice(2)
// What is in a file stays there when the process is killed.
const log = openSync(logFile, 'w')
const random = seeded(Number(seed))
const below = (n: number) => Math.floor(random() * n)
const CALLERS = 16

function say(...line: Line): void {
  writeSync(log, `${JSON.stringify(line)}\n`)
}

const keep = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
const store = await openStore(path, { keep: { completed: keep, dead: keep } })
const queue = new QueuedExecutor<Payload, string>(
  async (payload, run) => {
    say('run', run.id, run.attempt, payload)
    if (below(3) > 0) await new Promise((resolve) => setTimeout(resolve, below(4)))
    if (below(6) === 0) throw new Error('it has failed')
    return `answer ${payload.n}`
  },
  {
    store,
    concurrency: 3,
    maxQueueSize: 200,
    maxAttempts: 50,
    retry: backoff({ attempts: 3, baseMs: 1, maxMs: 4, budget: 1 }),
  },
)
process.stdout.write('ready')

const known: string[] = []

function hear(handle: QueuedRequest<Payload, string>): void {
  handle.result.then(
    (result) => say('told', handle.id, result),
    (error: unknown) => say('failed', handle.id, isTriageError(error) ? error.code : 'mine'),
  )
}

async function act(name: string): Promise<void> {
  const id = known[below(known.length)]
  const kind = id === undefined ? 9 : below(14)
  if (kind === 0) {
    say('cancel', id as string)
    const was = queue.cancel(id as string)
    await queue.flushed()
    if (was) say('cancelled', id as string)
  } else if (kind === 1) {
    const priority = priorities[below(4)] as Priority
    queue.get(id as string)?.setPriority(priority)
    say('moved', id as string)
  } else if (kind === 2) {
    say('requeue', id as string)
    await queue.requeue(id as string)
  } else {
    const payload: Payload = { n: name, text: 'é'.repeat(below(300)) }
    const priority = priorities[below(4)] as Priority
    say('submit', name, priority, payload)
    try {
      const handle = await queue.submit(payload, {
        id: name,
        priority,
        ...(below(8) === 0 ? { delayMs: below(20) } : {}),
      })
      say('acked', name)
      known.push(name)
      hear(handle)
      if (below(5) === 0) hear(await queue.submit(payload, { id: name, priority }))
    } catch (error) {
      if (!isTriageError(error)) throw error
      say('refused', name, error.code)
      await queue.ready(priority)
    }
  }
}

if (mode === 'drain') {
  await queue.idle()
  await queue.close()
  let cursor: string | undefined
  do {
    const page = await store.list({ limit: 1_000, cursor })
    for (const { id, state, attempts } of page.records) say('kept', id, state, attempts)
    cursor = page.cursor
  } while (cursor !== undefined)
  await store.close()
} else {
  let n = 0
  for (let i = 0; i < CALLERS; i++) {
    void (async () => {
      for (;;) await act(`${seed}-${n++}`)
    })()
  }
}

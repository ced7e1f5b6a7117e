/**
 * The first forty lines: a function behind a queue, priorities, a handle, a refusal, the status.
 *
 *     node examples/quick-start.ts
 */
import { setTimeout as sleep } from 'node:timers/promises'
// In your project: from 'triage-queue'
import { isTriageError, Priority, QueuedExecutor } from 'triage-queue'

const model = new QueuedExecutor(
  async (prompt: string, run) => {
    await sleep(50, undefined, { signal: run.signal })
    return `${prompt} (${run.priority}, attempt ${run.attempt})`
  },
  { concurrency: 1, maxQueueSize: 3, waitTimeoutMs: 1_000 },
)

// One runs, three may wait. They came in this order; they start by priority.
const answers = [
  model.execute('a report', { priority: Priority.LOW }),
  model.execute('a summary'),
  model.execute('a chat message', { priority: Priority.HIGH }),
  model.execute('an alert', { priority: Priority.URGENT }),
]
for (const answer of answers) answer.then((text) => console.log('answered:', text))

// There is no room for a fifth: it is refused at once, with a reason.
try {
  await model.execute('one too many')
} catch (error) {
  if (isTriageError(error)) console.log('refused: ', error.code, '-', error.message)
}
await Promise.all(answers)

// A handle: look at a request, change it, cancel it.
const request = await model.submit('a long job', { priority: 'low' })
request.cancel('no longer needed')
await request.result.catch((error) => console.log('ended:   ', request.state, '-', error.message))

const { totals } = model.getStatus()
console.log(`totals:   admitted ${totals.admitted} = completed ${totals.completed} + cancelled ${totals.cancelled}`)
await model.close()

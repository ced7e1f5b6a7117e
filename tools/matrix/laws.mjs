/**
 * A smoke test of the laws, for runtimes that no test of ours runs on: a drawn load with the audit of `debug` on, and whatever hangs
 * on what a runtime does in its own way (contexts, turns of the event loop, timers, the environment).
 */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { priorities, QueuedExecutor, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

const laws = {
  async 'conservation and bounds: each admitted request ends once, no more run or wait than may'() {
    const clock = new VirtualClock()
    let running = 0
    const queue = new QueuedExecutor(
      async (ms) => {
        running++
        assert.ok(running <= 4)
        await clock.sleep(ms)
        running--
        if (ms % 7 === 0) throw new Error('mine')
        return ms
      },
      { clock, concurrency: 4, maxQueueSize: 20, waitTimeoutMs: 40, timeoutMs: 60, debug: true },
    )
    const ends = []
    for (let i = 0; i < 2_000; i++) {
      const end = queue.execute(1 + (i % 13), { priority: priorities[i % 4] })
      ends.push(
        end.then(
          () => 'ok',
          (error) => error.code ?? error.message,
        ),
      )
      assert.ok(queue.getStatus().waiting <= 20)
      if (i % 5 === 0) await clock.advance(3)
    }
    await clock.run({ until: queue.close() })
    const told = await Promise.all(ends)
    const { totals } = queue.getStatus()
    const ended = totals.completed + totals.failed + totals.expired + totals.cancelled + totals.shed
    assert.equal(totals.admitted, ended)
    assert.equal(told.length, 2_000)
    assert.equal(told.filter((end) => end === 'ok').length, totals.completed)
    assert.equal(clock.timers, 0)
  },

  async 'order: a burst competes by priority, and is first-in first-out within one'() {
    const started = []
    const queue = new QueuedExecutor((name) => void started.push(name), { concurrency: 1, debug: true })
    const all = ['low', 'normal', 'high', 'urgent', 'low', 'urgent']
    await Promise.all(all.map((priority, i) => queue.execute(`${priority} ${i}`, { priority })))
    assert.deepEqual(started, ['urgent 3', 'urgent 5', 'high 2', 'normal 1', 'low 0', 'low 4'])
  },

  async 'context: the executor and the listeners are in that of the submitter'() {
    const tenant = new AsyncLocalStorage()
    const seen = []
    const queue = new QueuedExecutor(async () => {
      await undefined
      seen.push(tenant.getStore())
    })
    queue.on('completed', () => seen.push(tenant.getStore()))
    await Promise.all(['a', 'b'].map((name) => tenant.run(name, () => queue.execute(name))))
    assert.deepEqual(seen.sort(), ['a', 'a', 'b', 'b'])
  },

  async 'progress: 30,000 requests in a row, and in a burst, asynchronous or not'() {
    for (const executor of [(n) => n, async (n) => n]) {
      const queue = new QueuedExecutor(executor, { concurrency: 2, maxQueueSize: 0 })
      for (let n = 0; n < 30_000; n++) assert.equal(await queue.execute(n), n)
      const answers = await Promise.all(Array.from({ length: 30_000 }, (_, n) => queue.execute(n)))
      assert.equal(answers.length, 30_000)
    }
  },

  async 'time: timeouts are told, aborts reach the run'() {
    let aborted
    const queue = new QueuedExecutor(
      (_n, run) => {
        const { signal } = run
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason.code
            reject(signal.reason)
          })
        })
      },
      { concurrency: 1, runTimeoutMs: 20 },
    )
    const first = assert.rejects(queue.execute(1), { code: 'TRIAGE_RUN_TIMEOUT' })
    await assert.rejects(queue.execute(2, { waitTimeoutMs: 5 }), { code: 'TRIAGE_WAIT_TIMEOUT' })
    await first
    assert.equal(aborted, 'TRIAGE_RUN_TIMEOUT')
  },

  async 'ends: close() inside a run, run.close(), a pool, events.once()'() {
    const queue = new QueuedExecutor(async () => {
      await queue.close()
      return 'closed'
    })
    assert.equal(await queue.execute(1), 'closed')
    const other = new QueuedExecutor(async (_n, run) => {
      await undefined
      await run.close()
      return 'closed'
    })
    const idle = once(other, 'idle')
    assert.equal(await other.execute(1), 'closed')
    await idle
    assert.equal(await new WorkerPool((n) => n, { concurrency: 1 }).run(3), 3)
  },
}

for (const [law, holds] of Object.entries(laws)) {
  await holds()
  console.log(`ok: ${law}`)
}

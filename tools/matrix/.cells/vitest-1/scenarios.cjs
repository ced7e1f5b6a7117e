/**
 * What must hold under the fake timers of any runner. In CommonJS, since all of them can load it.
 *
 * Timers are `{ install(), uninstall(), tick(ms): Promise, isReadable }`: whether their time can be asked for, or only moves
 * with what rings.
 */
const assert = require('node:assert/strict')
const { once } = require('node:events')

const repetitions = Number(process.env.REPETITIONS ?? 10)

const hang = () => new Promise(() => {})

async function microtasks() {
  for (let i = 0; i < 30; i++) await undefined
}

/** A fraction of a real millisecond: sums of times must not come out a little too large. */
function spin() {
  const end = performance.now() + Math.random() / 4
  while (performance.now() < end);
}

const anyMs = () => 2 + Math.floor(Math.random() * 10_000)

/** What has become of a promise, without waiting for it. */
function watch(promise) {
  const watched = { outcome: 'pending' }
  watched.done = promise.then(
    () => {
      watched.outcome = 'fulfilled'
    },
    (error) => {
      watched.outcome = error.code ?? error
    },
  )
  return watched
}

/** Over at tick(ms), and not before. */
async function isOverAt(watched, outcome, ms, tick) {
  await tick(ms - 1)
  assert.equal(watched.outcome, 'pending', `at ${ms - 1} of ${ms} ms`)
  await tick(1)
  assert.equal(watched.outcome, outcome, `at ${ms} ms`)
}

function scenariosOf({ QueuedExecutor }, { install, uninstall, tick, isReadable }) {
  /** With the fakes taken away at the end, whatever happens. */
  const faked = async (use) => {
    install()
    try {
      await use()
    } finally {
      uninstall()
    }
  }
  const busy = async (options) => {
    const queue = new QueuedExecutor(hang, { concurrency: 1, ...options })
    watch(queue.execute('live'))
    await microtasks()
    return queue
  }

  const scenarios = {
    'installed before the executor is made: each timeout of N is over at tick(N)': () =>
      faked(async () => {
        for (const [limit, code] of [
          ['waitTimeoutMs', 'TRIAGE_WAIT_TIMEOUT'],
          ['timeoutMs', 'TRIAGE_WAIT_TIMEOUT'],
          ['runTimeoutMs', 'TRIAGE_RUN_TIMEOUT'],
        ]) {
          const ms = anyMs()
          const queue = new QueuedExecutor(hang, { concurrency: 1, [limit]: ms })
          if (limit !== 'runTimeoutMs') watch(queue.execute('runs', { [limit]: 1e6 }))
          await microtasks()
          await isOverAt(watch(queue.execute('late')), code, ms, tick)
        }
      }),

    'installed after it was used for real, and is idle': async () => {
      const ms = anyMs()
      const queue = new QueuedExecutor((name) => (name === 'hangs' ? hang() : name), { runTimeoutMs: ms })
      await queue.execute('done')
      spin()
      await faked(() => isOverAt(watch(queue.execute('hangs')), 'TRIAGE_RUN_TIMEOUT', ms, tick))
    },

    'installed while another request is live': async () => {
      const queue = await busy()
      spin()
      const ms = anyMs()
      await faked(() => isOverAt(watch(queue.execute('waits', { waitTimeoutMs: ms })), 'TRIAGE_WAIT_TIMEOUT', ms, tick))
    },

    'what is live follows them from the next call of any member on': async () => {
      const ms = 100 + anyMs()
      const queue = new QueuedExecutor(hang, { runTimeoutMs: ms })
      const live = watch(queue.execute('live'))
      await microtasks()
      spin()
      await faked(async () => {
        queue.getStatus()
        await tick(ms - 50)
        assert.equal(live.outcome, 'pending')
        await tick(50)
        assert.equal(live.outcome, 'TRIAGE_RUN_TIMEOUT')
      })
    },

    'taken away while a request is live: real time goes on': async () => {
      const queue = new QueuedExecutor(hang, { runTimeoutMs: 4 })
      let live
      await faked(async () => {
        live = watch(queue.execute('live'))
        await tick(2)
      })
      assert.equal(queue.getStatus().running, 1)
      await live.done
      assert.equal(live.outcome, 'TRIAGE_RUN_TIMEOUT')
    },

    'a request with delayMs starts at that tick, and close() is over at the end of its grace': () =>
      faked(async () => {
        const ms = anyMs()
        const started = []
        const queue = new QueuedExecutor((name) => started.push(name) && hang())
        watch(queue.execute('later', { delayMs: ms }))
        await tick(ms - 1)
        assert.deepEqual(started, [])
        await tick(1)
        assert.deepEqual(started, ['later'])
        await isOverAt(watch(queue.close({ graceMs: ms })), 'fulfilled', ms, tick)
      }),

    'events.once() hears of the end': () =>
      faked(async () => {
        const queue = new QueuedExecutor((ms) => new Promise((resolve) => setTimeout(resolve, ms)))
        const idle = watch(once(queue, 'idle'))
        watch(queue.execute(10))
        await microtasks()
        await isOverAt(idle, 'fulfilled', 10, tick)
      }),
  }
  if (isReadable) {
    scenarios['a wait lasts as long as the timers say, and each timeout counts from its own submission'] = () =>
      faked(async () => {
        const [first, second] = [anyMs(), anyMs()]
        const queue = await busy({ runTimeoutMs: first + second })
        await tick(first)
        let waitMs
        queue.on('started', (event) => {
          waitMs = event.waitMs
        })
        const waits = watch(queue.execute('waits', { waitTimeoutMs: second + 10_000, runTimeoutMs: 1e6 }))
        await tick(second)
        // The first has timed out, and keeps its slot: so the second goes on waiting.
        assert.equal(waits.outcome, 'pending')
        await isOverAt(waits, 'TRIAGE_WAIT_TIMEOUT', 10_000, tick)
        assert.equal(waitMs, undefined)
        assert.equal(queue.getStatus().running + queue.getStatus().stuckWorkers, 1)
      })
  }
  return Object.entries(scenarios)
}

/** Registers each with the runner, so often. */
function register(test, library, timers, what = '') {
  for (const [name, scenario] of scenariosOf(library, timers)) {
    test(`${what}${name}`, async () => {
      for (let i = 0; i < repetitions; i++) await scenario()
    }, 120_000)
  }
}

module.exports = { microtasks, register }

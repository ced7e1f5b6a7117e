/**
 * How the whole comes to rest and to its end, beyond what `test/failures` asks of it: who hears of it, and what is left.
 */
import { type Clock, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'
import { Audit } from '../../../src/core/watch/audit.ts'
import { busy, Gate, gated, turn, watch } from '../../failures/support.ts'

/** A clock whose timers say whether they keep the process alive. */
class HoldingClock implements Clock {
  readonly time = new VirtualClock()
  readonly held = new Map<unknown, boolean>()

  now(): number {
    return this.time.now()
  }

  setTimeout(callback: () => void, delayMs: number) {
    const timer = {
      virtual: this.time.setTimeout(() => {
        this.held.delete(timer)
        callback()
      }, delayMs),
      ref: () => this.held.set(timer, true),
      unref: () => this.held.set(timer, false),
    }
    this.held.set(timer, true)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.held.delete(timer)
    this.time.clearTimeout((timer as { virtual: never }).virtual)
  }

  /** For each timer that is armed: does it hold the process? */
  get holds(): boolean[] {
    return [...this.held.values()]
  }
}

describe('idle', () => {
  test.each([
    ['nothing ever came', [], ['closed']],
    ['two have ended', ['a', 'b'], ['idle', 'closed']],
  ])('is told once when there was something, and it has ended: %s', async (_what, names, expected) => {
    const { gate, queue } = gated()
    const told: string[] = []
    for (const event of ['idle', 'closed'] as const) queue.on(event, () => told.push(event))
    for (const name of names) watch(queue.execute(name))
    await gate.finishAll()
    await queue.close()
    await turn()
    expect(told).toEqual(expected)
  })

  test('a call that nobody waits for any more is still watched, but holds no process; whoever comes next does', async () => {
    const clock = new HoldingClock()
    const gate = new Gate()
    const stuck: number[] = []
    const queue = new QueuedExecutor(gate.executor, { clock, concurrency: 2, runTimeoutMs: 50 })
    queue.on('stuck', () => stuck.push(clock.now()))
    const left = await queue.submit('left')
    await turn()
    expect(clock.holds).toEqual([true])
    left.cancel()
    expect(clock.holds).toEqual([false])
    const next = watch(queue.execute('next'))
    expect(clock.holds).toEqual([true])
    await turn()
    await gate.finish('next')
    expect([next.value, clock.holds]).toEqual(['next', [false]])
    await clock.time.advance(50)
    expect([stuck, clock.holds]).toEqual([[50], []])
    await gate.finish('left')
  })

  test('whoever waits holds the process: behind a call that nobody waits for, for a schema, or while it is paused', async () => {
    const clock = new HoldingClock()
    const { gate, queue } = gated({ clock, runTimeoutMs: Number.POSITIVE_INFINITY })
    const left = await queue.submit('left')
    await turn()
    expect(clock.holds).toEqual([true])
    left.cancel()
    expect(clock.holds).toEqual([false])
    const waits = watch(queue.execute('waits'))
    expect(clock.holds).toEqual([true])
    await gate.finishAll()
    expect([waits.value, clock.holds]).toEqual(['waits', []])
    queue.pause()
    const paused = watch(queue.execute('paused'))
    expect(clock.holds).toEqual([true])
    queue.resume()
    await turn()
    await gate.finishAll()
    expect([paused.value, clock.holds]).toEqual(['paused', []])
    const validate = () => new Promise<never>(() => {})
    const checks = gated({ clock, schema: { '~standard': { version: 1, vendor: 'test', validate } } })
    watch(checks.queue.execute('checked'))
    expect(clock.holds).toEqual([true])
    await checks.queue.close()
    expect(clock.holds).toEqual([])
  })

  test('so does whoever waits behind a call that is stuck', async () => {
    const clock = new HoldingClock()
    const { gate, queue } = gated({ clock, runTimeoutMs: { normal: 5, low: Number.POSITIVE_INFINITY } })
    watch(queue.execute('stuck'))
    await turn()
    await clock.time.advance(5)
    expect(clock.holds).toEqual([])
    const waits = watch(queue.execute('waits', { priority: 'low' }))
    expect(clock.holds).toEqual([true])
    await gate.finishAll()
    expect([waits.value, clock.holds]).toEqual(['waits', []])
  })

  test('a call that nobody waits for is no longer waited for when its time is over', async () => {
    const { clock, gate, queue } = gated({ runTimeoutMs: 50 })
    const left = await queue.submit('left')
    await turn()
    left.cancel()
    const idle = watch(queue.idle())
    await clock.advance(49)
    expect(idle.state).toBe('pending')
    await clock.advance(1)
    expect(idle.state).toBe('fulfilled')
    await gate.finishAll()
  })

  test('the time of a whole request counts for its slot, also when the alarm was set for something else meanwhile', async () => {
    const { clock, gate, queue } = gated({ runTimeoutMs: Number.POSITIVE_INFINITY })
    const stuck: number[] = []
    queue.on('stuck', () => stuck.push(clock.now()))
    const first = await queue.submit('shared', { id: 'shared' })
    const second = await queue.submit('shared', { id: 'shared', timeoutMs: 100 })
    watch(queue.execute('waits', { waitTimeoutMs: 50 }))
    await clock.advance(10)
    first.cancel()
    await clock.advance(50)
    second.cancel()
    await clock.advance(100)
    expect(stuck).toEqual([100])
    await gate.finishAll()
  })

  test('a shared run whose callers have left is stuck at the deadline that it was told, not at that of whoever came first', async () => {
    const { clock, gate, queue } = gated({ onStuck: 'replace' })
    const told: number[] = []
    queue.on('stuck', () => told.push(clock.now()))
    const abort = new AbortController()
    watch(queue.execute('shared', { id: 'shared', timeoutMs: 10 }))
    watch(queue.execute('shared', { id: 'shared', timeoutMs: 100, signal: abort.signal }))
    await clock.advance(20)
    abort.abort()
    await turn()
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 0, replacedWorkers: 0 })
    await clock.advance(100)
    expect(told).toEqual([100])
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 1 })
    await gate.finishAll()
  })

  test('a clock that has gone back while anything was live is taken at its word again; the books are looked at', async () => {
    const rests = vi.spyOn(Audit.prototype, 'rests')
    const clock = { at: 1_000, now: () => clock.at, setTimeout: () => ({}), clearTimeout: () => {} }
    const { gate, queue } = gated({ clock, debug: true })
    const first = await queue.submit('first')
    await turn()
    clock.at = 500
    const second = await queue.submit('second')
    expect([first.enqueuedAt, second.enqueuedAt, rests.mock.calls.length]).toEqual([1_000, 1_000, 0])
    await gate.finishAll()
    expect([(await queue.submit('third')).enqueuedAt, rests.mock.calls.length]).toEqual([500, 1])
    await gate.finishAll()
    rests.mockRestore()
  })

  test('whoever was held back by a guard, and has gone, holds back nobody who comes after', async () => {
    let holdMs = 1_000
    const { gate, queue } = gated({ overload: { name: 'test', holdMs: () => holdMs } })
    const held = await queue.submit('held')
    await turn()
    expect(gate.started).toEqual([])
    held.cancel()
    holdMs = 0
    watch(queue.execute('next'))
    await turn()
    expect(gate.started).toEqual(['next'])
    await gate.finishAll()
  })
})

describe('closing', () => {
  test('whoever it cancels is told why', async () => {
    const { clock, gate, queue, blockers } = await busy()
    const waits = watch(queue.execute('waits'))
    const closed = watch(queue.close({ drain: false, graceMs: 1 }))
    await clock.advance(1)
    await gate.finishAll()
    for (const end of [waits, blockers[0]]) {
      expect(end?.error).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'the executor was closed' })
    }
    expect(closed.state).toBe('fulfilled')
  })

  test('asked again it may have less patience, never more', async () => {
    const { clock, gate, queue } = await busy()
    await clock.advance(1_000)
    const closed = watch(queue.close({ graceMs: 100 }))
    await clock.advance(50)
    const again = watch(queue.close({ graceMs: 80 }))
    await clock.advance(49)
    expect([closed.state, again.state]).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect([closed.state, again.state]).toEqual(['fulfilled', 'fulfilled'])
    await gate.finishAll()
  })

  test('when the grace is over, idle() has nothing to wait for any more; a call that comes back then is no news', async () => {
    const { clock, gate, queue } = await busy()
    const told: string[] = []
    queue.on('closed', () => told.push('closed'))
    const idle = watch(queue.idle())
    const closed = watch(queue.close({ graceMs: 10 }))
    await clock.advance(10)
    expect([idle.state, closed.state]).toEqual(['fulfilled', 'fulfilled'])
    await gate.finishAll()
    expect(told).toEqual(['closed'])
  })

  /** Requests named `closes…` call `close()`, and do with its promise what the test says. */
  function closing(step: (closed: Promise<void>, name: string) => unknown, graceMs = Number.POSITIVE_INFINITY) {
    const clock = new VirtualClock()
    const gate = new Gate()
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor<string, unknown>(
      (name, run) => (name.startsWith('closes') ? step(queue.close({ graceMs }), name) : gate.executor(name, run)),
      { concurrency: 2, clock },
    )
    return { clock, gate, queue }
  }

  test('a run that awaits it hears of the end, also when the grace is over', async () => {
    let told: number | undefined
    const { clock, gate, queue } = closing(async (closed) => {
      await closed
      told = clock.now()
    }, 50)
    for (const name of ['hangs', 'closes']) watch(queue.execute(name))
    await turn()
    await clock.advance(50)
    expect([told, queue.getStatus().state]).toEqual([50, 'closed'])
    await gate.finishAll()
  })

  test('a run may ask for it twice, and await both', async () => {
    const { queue, gate } = closing((closed) => Promise.all([closed, queue.close()]))
    const run = watch(queue.execute('closes'))
    await turn()
    expect([run.state, queue.getStatus().state, gate.started]).toEqual(['fulfilled', 'closed', []])
  })

  test('a promise that a run has handed out waits for all runs, also for those that close as well', async () => {
    const gate = new Gate()
    let outside: ReturnType<typeof watch> | undefined
    const { queue } = closing((closed, name) => {
      if (name === 'closes, and awaits') return closed.then(() => gate.executor('goes on', undefined as never))
      outside = watch(closed)
      return undefined
    })
    const all = ['closes, and hands it out', 'closes, and awaits'].map((name) => watch(queue.execute(name)))
    await turn()
    expect([all.map(({ state }) => state), gate.started]).toEqual([['fulfilled', 'pending'], ['goes on']])
    expect(outside?.state).toBe('pending')
    await gate.finishAll()
    expect([all[1]?.state, outside?.state]).toEqual(['fulfilled', 'fulfilled'])
  })
})

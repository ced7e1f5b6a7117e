/**
 * Time, asked directly: when the clock is read, what happens when it misbehaves, and when the one timer rings.
 */
import { executionAsyncId } from 'node:async_hooks'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Alarm, type Clock, inAnotherTurn, systemClock, Timeline } from '../../src/core/clock.ts'

afterEach(() => void vi.useRealTimers())

test("the system's own time is held while it goes back", async () => {
  const times = [10, 8, 8, 9, 20]
  const now = vi.spyOn(performance, 'now').mockImplementation(() => times.shift() ?? 30)
  try {
    const timeline = new Timeline(systemClock, {})
    // The first reading looks carefully at whose clock it is.
    const read = [timeline.read(), timeline.read(), timeline.read(), timeline.read(), timeline.read()]
    expect(read).toEqual([10, 10, 10, 11, 22])
  } finally {
    now.mockRestore()
  }
})

/** A clock in the hand of a test. */
class Hand implements Clock {
  at: number
  reads = 0
  source: unknown = 'first'
  stepped = false
  readonly timers: {
    callback: () => void
    delayMs: number
    cleared: boolean
    referenced: boolean
    refs: number
    id: number
  }[] = []

  constructor(at = 1_000) {
    this.at = at
  }

  now(): number {
    this.reads++
    return this.at
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = { callback, delayMs, cleared: false, referenced: true, refs: 0, id: executionAsyncId() }
    this.timers.push(timer)
    return {
      timer,
      ref: () => {
        timer.referenced = true
        timer.refs++
      },
      unref: () => {
        timer.referenced = false
      },
    }
  }

  clearTimeout(handle: unknown): void {
    ;(handle as { timer: Hand['timers'][0] }).timer.cleared = true
  }
}

describe('the timeline', () => {
  const owner = {}
  const made = (at?: number) => {
    const clock = new Hand(at)
    return { clock, timeline: new Timeline(clock, owner) }
  }

  test('reads the clock once in a burst, and again in the next', async () => {
    const { clock, timeline } = made()
    expect(clock.reads).toBe(0)
    const instant = timeline.instant()
    clock.at = 1_005
    expect(timeline.now()).toBe(1_000)
    expect(timeline.instant()).toBe(instant)
    expect(instant).toEqual({ at: 1_000, owner })
    expect(instant.owner).toBe(owner)
    expect(clock.reads).toBe(1)
    await undefined
    expect(timeline.instant()).toEqual({ at: 1_005, owner })
    expect(timeline.instant().owner).toBe(owner)
    expect(clock.reads).toBe(2)
  })

  test('an instant is the same object while no time passes', async () => {
    const { timeline } = made()
    const instant = timeline.instant()
    await undefined
    expect(timeline.instant()).toBe(instant)
  })

  test('can be read within a burst, which goes on from there', async () => {
    const { clock, timeline } = made()
    timeline.now()
    clock.at = 1_007
    expect(timeline.read()).toBe(1_007)
    expect(timeline.now()).toBe(1_007)
    clock.at = 1_008
    expect(timeline.now()).toBe(1_007)
    await undefined
    expect(timeline.now()).toBe(1_008)
  })

  test('of a stepped clock, nothing is kept for the rest of the burst', () => {
    const { clock, timeline } = made()
    clock.stepped = true
    expect(timeline.now()).toBe(1_000)
    clock.at = 1_001
    expect(timeline.now()).toBe(1_001)
  })

  test('holds a time that runs backwards, and goes on from there', () => {
    const { clock, timeline } = made()
    clock.stepped = true
    timeline.now()
    clock.at = 400
    expect(timeline.now()).toBe(1_000)
    clock.at = 405
    expect(timeline.now()).toBe(1_005)
    clock.at = 300
    expect(timeline.now()).toBe(1_005)
    clock.at = 301
    expect(timeline.now()).toBe(1_006)
  })

  test('a clock that does not know: its last good answer holds; it begins at 0', () => {
    const { clock, timeline } = made(Number.NaN)
    clock.stepped = true
    expect(timeline.now()).toBe(0)
    clock.at = 50
    expect(timeline.now()).toBe(50)
    clock.at = Number.NaN
    expect(timeline.now()).toBe(50)
    clock.at = 60
    expect(timeline.now()).toBe(60)
  })

  test('goes on from where it was when the clock becomes another, and says so once', () => {
    const { clock, timeline } = made()
    timeline.onSwitch = vi.fn()
    timeline.read()
    expect(timeline.onSwitch).not.toHaveBeenCalled()
    Object.assign(clock, { at: 7, source: 'second' })
    expect(timeline.read()).toBe(1_000)
    clock.at = 9
    expect(timeline.read()).toBe(1_002)
    expect(timeline.onSwitch).toHaveBeenCalledOnce()
    // Whether it is stepped is looked at when it has become another one.
    Object.assign(clock, { stepped: true, source: 'third' })
    timeline.read()
    clock.at = 12
    expect(timeline.now()).toBe(1_005)
    // One that does not know at that moment changes nothing.
    Object.assign(clock, { at: Number.NaN, source: 'fourth' })
    expect(timeline.now()).toBe(1_005)
    clock.at = 13
    expect(timeline.now()).toBe(1_006)
  })

  test('may become another clock’s though nobody wants to know', () => {
    const { clock, timeline } = made()
    timeline.read()
    Object.assign(clock, { at: 7, source: 'second' })
    expect(timeline.read()).toBe(1_000)
  })

  test('is at least where a timer that has fired says that it is', () => {
    const { clock, timeline } = made()
    clock.stepped = true
    timeline.now()
    expect(timeline.atLeast(999)).toBe(1_000)
    expect(timeline.atLeast(1_000)).toBe(1_000)
    expect(timeline.atLeast(1_010)).toBe(1_010)
    clock.at = 1_001
    expect(timeline.instant()).toEqual({ at: 1_011, owner })
    timeline.atLeast(1_020)
    expect(timeline.instant()).toEqual({ at: 1_020, owner })
  })

  test('forgets its corrections when nothing is live, and is then the clock again', () => {
    const { clock, timeline } = made()
    clock.stepped = true
    timeline.now()
    clock.at = 400
    timeline.now()
    timeline.isOver = true
    expect(timeline.now()).toBe(400)
    clock.at = 401
    expect(timeline.now()).toBe(401)
  })

  test('that does not know the time as the next request comes: it is what it was, and not 0', () => {
    const { clock, timeline } = made(1_045)
    expect(timeline.read()).toBe(1_045)
    timeline.isOver = true
    clock.at = Number.NaN
    expect(timeline.read()).toBe(1_045)
    clock.at = 1_050
    expect(timeline.read()).toBe(1_050)
  })
})

describe('the alarm', () => {
  const made = () => {
    const clock = new Hand()
    const timeline = new Timeline(clock, {})
    const rings: number[] = []
    const alarm = new Alarm(clock, timeline, (now) => rings.push(now))
    timeline.now()
    const fire = (timer: Hand['timers'][0] | undefined) => timer?.callback()
    return { clock, timeline, alarm, rings, fire }
  }

  test('is one timer, for the earliest that anyone has named, rounded up', () => {
    const { clock, alarm } = made()
    expect(alarm.armed).toBe(false)
    expect(alarm.dueAt).toBe(Number.POSITIVE_INFINITY)
    alarm.setFor(1_100.2, 1_000)
    expect(alarm).toMatchObject({ armed: true, dueAt: 1_100.2 })
    alarm.setFor(1_100.2, 1_000)
    alarm.setFor(1_200, 1_000)
    expect(clock.timers).toMatchObject([{ delayMs: 101, cleared: false }])
    alarm.setFor(1_050, 1_010)
    expect(clock.timers).toMatchObject([{ cleared: true }, { delayMs: 40, cleared: false }])
    expect(alarm.dueAt).toBe(1_050)
  })

  test('rings once, and tells that its time has come though the clock does not', () => {
    const { clock, alarm, rings, fire } = made()
    alarm.setFor(1_100, 1_000)
    fire(clock.timers[0])
    expect(rings).toEqual([1_100])
    expect(alarm).toMatchObject({ armed: false, dueAt: Number.POSITIVE_INFINITY })
    alarm.setFor(1_200, 1_100)
    expect(clock.timers).toHaveLength(2)
  })

  test('what is overdue rings without a delay', () => {
    const { clock, alarm, rings, fire } = made()
    alarm.setFor(900, 1_000)
    expect(clock.timers).toMatchObject([{ delayMs: 0 }])
    fire(clock.timers[0])
    expect(rings).toEqual([1_000])
  })

  test('a time beyond the reach of timers is reached in steps', () => {
    const { clock, alarm, rings, fire } = made()
    const reach = 2 ** 31 - 1
    alarm.setFor(1_000 + 3 * reach, 1_000)
    expect(clock.timers).toMatchObject([{ delayMs: reach }])
    fire(clock.timers[0])
    expect(rings).toEqual([1_000 + reach])
  })

  test('switched off it is forgotten, and can be switched off again', () => {
    const { clock, alarm } = made()
    alarm.off()
    alarm.setFor(1_100, 1_000)
    alarm.off()
    expect(clock.timers).toMatchObject([{ cleared: true }])
    expect(alarm).toMatchObject({ armed: false, dueAt: Number.POSITIVE_INFINITY })
  })

  test('keeps the process alive, or not, whenever that is said', () => {
    const { clock, alarm } = made()
    alarm.keepAlive(false)
    alarm.setFor(1_100, 1_000)
    expect(clock.timers[0]?.referenced).toBe(false)
    alarm.keepAlive(true)
    expect(clock.timers[0]?.referenced).toBe(true)
    alarm.keepAlive(false)
    expect(clock.timers[0]?.referenced).toBe(false)
    alarm.keepAlive(true)
    alarm.setFor(1_050, 1_000)
    expect(clock.timers[1]?.referenced).toBe(true)
  })

  test('a timer keeps the process alive unless that was said, and is touched only then', () => {
    const { clock, alarm } = made()
    alarm.setFor(1_100, 1_000)
    alarm.keepAlive(true)
    alarm.off()
    expect(clock.timers).toMatchObject([{ referenced: true, refs: 0, cleared: true }])
  })

  test('a timer that holds nothing is held again before it is cleared', () => {
    const { clock, alarm } = made()
    alarm.keepAlive(false)
    alarm.setFor(1_100, 1_000)
    expect(clock.timers).toMatchObject([{ referenced: false, refs: 0 }])
    alarm.off()
    expect(clock.timers).toMatchObject([{ referenced: true, refs: 1, cleared: true }])
  })

  test('a clock whose timers can not be held is as good', () => {
    const alarm = new Alarm(
      { now: () => 0, setTimeout: () => 5, clearTimeout: () => {} },
      new Timeline(new Hand(), {}),
      () => {},
    )
    alarm.setFor(10, 0)
    alarm.keepAlive(false)
    alarm.keepAlive(true)
    expect(alarm.armed).toBe(true)
  })

  test('is armed anew when the clock becomes another', () => {
    const { clock, timeline, alarm } = made()
    Object.assign(clock, { source: 'second' })
    timeline.read()
    expect(clock.timers).toHaveLength(0)
    alarm.setFor(1_100, 1_000)
    Object.assign(clock, { source: 'third', at: 20 })
    timeline.read()
    expect(clock.timers).toMatchObject([{ cleared: true }, { delayMs: 100, cleared: false }])
    expect(alarm.dueAt).toBe(1_100)
  })

  test('its timer keeps no context of whoever armed it', () => {
    const { clock, alarm } = made()
    alarm.setFor(1_100, 1_000)
    expect(clock.timers[0]?.id).not.toBe(executionAsyncId())
  })
})

describe('the system clock', () => {
  test('is performance.now() and the timers of the moment', () => {
    const before = performance.now()
    expect(systemClock.now()).toBeGreaterThanOrEqual(before)
    expect(systemClock.stepped).toBe(false)
    expect(systemClock.source).toBe(setTimeout)
    const real = systemClock.setTimeout(() => {}, 60_000) as { handle: NodeJS.Timeout }
    vi.useFakeTimers()
    expect(systemClock.stepped).toBe(true)
    expect(systemClock.source).toBe(setTimeout)
    const rung = vi.fn()
    systemClock.setTimeout(rung, 10)
    const forgotten = systemClock.setTimeout(rung, 10)
    systemClock.clearTimeout(forgotten)
    const at = systemClock.now()
    vi.advanceTimersByTime(10)
    expect(rung).toHaveBeenCalledOnce()
    expect(systemClock.now()).toBe(at + 10)
    // A real timer goes back to where it came from, though the timers are fakes now.
    systemClock.clearTimeout(real)
    expect((real.handle as { _destroyed?: boolean })._destroyed).toBe(true)
  })

  test('another turn comes after all microtasks, fake timers or not, and leaves nothing open', async () => {
    const ports = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
    const before = ports()
    const close = vi.spyOn(MessagePort.prototype, 'close')
    vi.useFakeTimers()
    const order: string[] = []
    const turned = new Promise<void>((resolve) => {
      inAnotherTurn(() => {
        order.push('turn')
        resolve()
      })
    })
    await undefined
    order.push('microtask')
    await turned
    expect(order).toEqual(['microtask', 'turn'])
    expect(ports()).toBe(before)
    expect(close).toHaveBeenCalledOnce()
    close.mockRestore()
  })
})

/**
 * Does the view show how it is, in place, and leave terminal, process and executor as they were?
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { OptionsError, priorities, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { type WatchOptions, watch } from 'triage-queue/terminal'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { HandStore } from '../core/keep/hand-store.ts'
import { turn } from '../failures/support.ts'
import { FakeStream, FakeTerminal, timed, visible } from './support.ts'

beforeEach(() => {
  vi.stubEnv('TERM', 'xterm-256color')
  vi.stubEnv('NO_COLOR', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

/** Two calls of which one gets stuck, four that wait, three refused; then 2.5 s. */
async function busy(stream: FakeStream, options: WatchOptions = {}) {
  const world = timed({ maxQueueSize: 4, whenFull: 'reject', waitTimeoutMs: { high: 1_200 } })
  const stop = watch(world.queue, { stream, clock: world.clock, ...options })
  world.send(60_000, { runTimeoutMs: 500 })
  world.send(1_200)
  await world.clock.settle()
  world.send(60_000, { priority: 'urgent' })
  world.send(60_000, { priority: 'high' })
  world.send(60_000, { priority: 'low' })
  world.send(60_000, { priority: 'low' })
  for (let n = 0; n < 3; n++) world.send(1)
  await world.clock.advance(2_500)
  return { ...world, stop }
}

describe('on a terminal', () => {
  test('it shows who waits, what runs, how long it takes and what is refused', async () => {
    const terminal = new FakeTerminal()
    await busy(terminal)
    expect(`\n${terminal.screen}\n`).toBe(`
jobs  open  2 of 4 waiting, the oldest for 2.5 s
urgent                        0
high                          0
normal                        0
low      ██████████           2
slots    ×■ 2 of 2 busy, 1 stuck
time     wait p50 0 ms, p99 1.2 s; run p50 1.2 s
done         0.5/s ▁█
refused      1.5/s █▁
total    1 completed, 2 expired, 3 refused
`)
  })

  test('each frame stands where the last one did, and the last stays above what is printed next', async () => {
    const terminal = new FakeTerminal()
    terminal.write('$ node app.js\n')
    const { stop } = await busy(terminal)
    stop()
    terminal.write('bye\n')
    expect(terminal.lines).toHaveLength(13)
    expect(terminal.screen).toMatch(/^\$ node app\.js\njobs {2}open .*\ntotal .* refused\nbye$/s)
    expect(terminal.isCursorVisible).toBe(true)
  })

  test('each frame is one write that ends with the cursor shown', async () => {
    const terminal = new FakeTerminal()
    await busy(terminal)
    expect(terminal.written.length).toBeGreaterThan(5)
    for (const frame of terminal.written) expect(visible(frame)).toMatch(/^␛\[\?25l[\s\S]*␛\[\?25h$/)
  })

  test('nothing is written while nothing changes', async () => {
    const terminal = new FakeTerminal()
    const { queue, clock } = timed()
    watch(queue, { stream: terminal, clock })
    await clock.advance(70_000)
    const frames = terminal.written.length
    await clock.advance(60_000)
    expect(terminal.written).toHaveLength(frames)
  })

  test.each([
    [20, 'jobs  open  2 of 4 '],
    [9, 'jobs  op'],
    [1, ''],
  ])('it keeps to %i columns', async (columns, head) => {
    const terminal = new FakeTerminal()
    terminal.columns = columns
    await busy(terminal)
    expect(terminal.lines[0]).toBe(head)
    expect(Math.max(...terminal.lines.map(({ length }) => length))).toBeLessThan(columns)
  })

  test('it keeps to the rows that there are, with one for the cursor', async () => {
    const terminal = new FakeTerminal()
    terminal.rows = 4
    await busy(terminal)
    expect(terminal.lines).toHaveLength(4)
  })

  test('when it has become lower, nothing is left of the longer frame', async () => {
    const terminal = new FakeTerminal()
    const { clock } = await busy(terminal)
    expect(terminal.lines).toHaveLength(11)
    terminal.rows = 4
    await clock.advance(250)
    expect(terminal.lines).toHaveLength(4)
  })

  test('a terminal that does not know its size is 80 by 24', async () => {
    const terminal = new FakeTerminal()
    terminal.columns = 0
    terminal.rows = undefined
    await busy(terminal)
    expect(terminal.screen).toContain('total    1 completed, 2 expired, 3 refused')
  })

  test('when it has become narrower, it goes up over the lines that were wrapped', async () => {
    const terminal = new FakeTerminal()
    const { clock } = await busy(terminal)
    terminal.columns = 25
    await clock.advance(250)
    // Of the ten lines some are longer than 25 columns, and now take two rows.
    const widths = terminal.written.at(-2)?.split('\n').slice(0, -1) ?? []
    const rows = widths.reduce(
      (sum, line) => sum + Math.max(Math.ceil(stripVTControlCharacters(line).trim().length / 25), 1),
      0,
    )
    expect(rows).toBeGreaterThan(10)
    expect(terminal.written.at(-1)).toContain(`\x1b[${rows}A`)
  })

  test('colours are used, but not against the wish of the user, the stream or the caller', async () => {
    const isColoured = async (terminal: FakeTerminal, options?: WatchOptions): Promise<boolean> => {
      const { stop } = await busy(terminal, options)
      stop()
      return terminal.written.some((text) => /␛\[\d+m/.test(visible(text)))
    }
    expect(await isColoured(new FakeTerminal())).toBe(true)
    expect(await isColoured(new FakeTerminal(), { colors: false })).toBe(false)
    expect(await isColoured(Object.assign(new FakeTerminal(), { hasColors: () => false }))).toBe(false)
    vi.stubEnv('NO_COLOR', '1')
    expect(await isColoured(new FakeTerminal())).toBe(false)
    expect(await isColoured(new FakeTerminal(), { colors: true })).toBe(true)
  })

  test('each priority has a colour of its own: purple, orange, blue and green, as in the dashboards', async () => {
    const terminal = new FakeTerminal()
    const queue = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 1, clock: new VirtualClock() })
    for (const priority of ['urgent', ...priorities] as const) queue.execute(1, { priority }).catch(() => {})
    await turn()
    watch(queue, { stream: terminal, colors: true })()
    const colours = priorities.map(
      (priority) => new RegExp(`${priority} *.*?\u001b\\[(\\d+)m[█▏▎▍▌▋▊▉]`, 'i').exec(terminal.written.join(''))?.[1],
    )
    expect(colours).toEqual(['95', '33', '94', '32'])
  })

  test('colours change nothing else', async () => {
    const [coloured, plain] = [new FakeTerminal(), new FakeTerminal()]
    await busy(coloured)
    await busy(plain, { colors: false })
    expect(coloured.screen).toBe(plain.screen)
  })

  test('a queue without a bound is measured by the most that have waited', async () => {
    const terminal = new FakeTerminal()
    const { queue, clock, send } = timed({ maxQueueSize: 0, concurrency: 1 })
    watch(queue, { stream: terminal, clock })
    for (let n = 0; n < 5; n++) send(1_000, { priority: 'low' })
    await clock.advance(2_500)
    expect(terminal.lines[0]).toBe('jobs  open  2 waiting, the oldest for 2.5 s')
    // Two of the four that waited at most.
    expect(terminal.lines[4]).toBe(`low      ${'█'.repeat(10)}${' '.repeat(10)} 2`)
  })

  test('more slots than columns are drawn in proportion, and one that is stuck is seen', async () => {
    const terminal = new FakeTerminal()
    const { queue, clock, send } = timed({ concurrency: 1_000 })
    watch(queue, { stream: terminal, clock })
    send(60_000, { runTimeoutMs: 100 })
    for (let n = 0; n < 500; n++) send(60_000)
    await clock.advance(500)
    const slots = terminal.lines[5] as string
    expect(slots).toBe(`slots    ×${'■'.repeat(9)}${'□'.repeat(10)} 501 of 1,000 busy, 1 stuck`)
  })
})

test('who is blocked or tried again is shown where there is someone, on a terminal and without', async () => {
  const [terminal, stream] = [new FakeTerminal(), new FakeStream()]
  terminal.columns = 120
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw new Error('no luck')
    },
    { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block', retry: { name: 'later', delayMs: () => 20_000 } },
  )
  watch(queue, { stream: terminal, clock })
  watch(queue, { stream, clock })
  queue.execute(-100).catch(() => {})
  for (let n = 0; n < 4; n++) queue.execute(60_000).catch(() => {})
  await clock.advance(5_000)
  expect(terminal.lines[0]).toMatch(/^triage {2}open {2}1 of 1 waiting, .*, 1 retrying, 2 blocked$/)
  expect(terminal.screen).toContain('0 completed, 1 tried again')
  expect(stream.written).toEqual([
    expect.stringMatching(/ 1 waiting \(normal 1\); 1 retrying; 2 blocked; .* 1 tried again/),
  ])
})

test('where nothing may wait no bound is shown, and what a schema looks at is', async () => {
  const [terminal, stream] = [new FakeTerminal(), new FakeStream()]
  const clock = new VirtualClock()
  const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: () => new Promise<never>(() => {}) } }
  const queue = new QueuedExecutor(async () => 1, { clock, maxQueueSize: 'none', schema })
  watch(queue, { stream: terminal, clock })
  watch(queue, { stream, clock })
  for (const _ of [1, 2]) queue.execute(1).catch(() => {})
  await clock.advance(5_000)
  expect(terminal.lines[0]).toBe('triage  open  0 waiting, 2 checked')
  expect(stream.written).toEqual([expect.stringContaining(' 0 waiting; 2 checked; ')])
  await queue.close()
})

test('a store that is not open is seen, and one that was closed after the queue is not', async () => {
  const [terminal, stream] = [new FakeTerminal(), new FakeStream()]
  const store = new HandStore()
  const { queue, clock } = timed({ store, maxQueueSize: 0 })
  await clock.settle()
  watch(queue, { stream: terminal, clock })
  watch(queue, { stream, clock })
  const heads: (string | undefined)[] = []
  const becomes = async (state: 'open' | 'faulty' | 'closed') => {
    await store.becomes(state)
    await clock.advance(5_000)
    heads.push(terminal.lines[0])
  }
  for (const state of ['faulty', 'open', 'closed'] as const) await becomes(state)
  expect(heads).toEqual([
    'jobs  open  store faulty  0 waiting',
    'jobs  open  0 waiting',
    'jobs  open  store closed  0 waiting',
  ])
  expect(stream.written.map((line) => line.split('; ')[1])).toEqual([
    'store faulty',
    '0 of 2 slots busy',
    'store closed',
  ])
  await clock.run({ until: queue.close() })
  expect(terminal.lines[0]).toBe('jobs  closed  0 waiting')
})

describe('without a terminal', () => {
  test('it is a plain line every five seconds, with the rates, if anything has changed', async () => {
    const stream = new FakeStream()
    const { clock } = await busy(stream)
    expect(stream.written).toEqual([])
    await clock.advance(2_500)
    expect(stream.written).toEqual([
      'jobs open: 2 waiting (low 2); 2 of 2 slots busy (1 stuck); wait p50 0 ms p99 1.2 s; run p50 1.2 s; 1 completed, 2 expired, 3 refused; 0.2/s done, 0.6/s refused\n',
    ])
    await clock.advance(20_000)
    expect(stream.written).toHaveLength(1)
  })

  test('TERM=dumb is no terminal', async () => {
    vi.stubEnv('TERM', 'dumb')
    const terminal = new FakeTerminal()
    const { clock } = await busy(terminal)
    await clock.advance(2_500)
    expect(terminal.written.map(visible)).toEqual([expect.stringMatching(/^jobs open: [^␛]*\n$/)])
  })

  test('the last line says how it ended, at dispose and at close', async () => {
    const [first, second] = [new FakeStream(), new FakeStream()]
    const { queue, clock, send } = timed()
    const stop = watch(queue, { stream: first, clock })
    watch(queue, { stream: second, clock })
    send(300)
    await clock.advance(400)
    stop()
    await queue.close()
    expect(first.written).toEqual([
      'jobs open: 0 waiting; 0 of 2 slots busy; wait p50 0 ms p99 0 ms; run p50 300 ms; 1 completed\n',
    ])
    expect(second.written).toEqual([expect.stringContaining('jobs closed: ')])
  })
})

describe('it lets go', () => {
  test.each([
    ['a terminal', FakeTerminal],
    ['a pipe', FakeStream],
  ])('of timer, stream and executor when it is disposed, however often: %s', async (_name, Stream) => {
    const stream = new Stream()
    const { queue, clock } = timed()
    const off = vi.spyOn(queue, 'off')
    {
      using stop = watch(queue, { stream, clock })
      expect(clock.timers).toBe(1)
      expect(stream.listeners).toHaveLength(1)
      stop()
      stop()
    }
    expect(clock.timers).toBe(0)
    expect(stream.listeners).toEqual([])
    expect(off).toHaveBeenCalledTimes(1)
    const { length } = stream.written
    await queue.close()
    expect(stream.written).toHaveLength(length)
  })

  test('when the executor is closed, after the last frame', async () => {
    const terminal = new FakeTerminal()
    const { queue, clock } = timed()
    watch(queue, { stream: terminal, clock })
    await queue.close()
    expect(clock.timers).toBe(0)
    expect(terminal.lines[0]).toContain('jobs  closed')
    watch(queue, { stream: terminal, clock })
    expect(clock.timers).toBe(0)
  })

  test.each([
    ['has an error', (stream: FakeTerminal) => stream.listeners[0]?.()],
    ['is destroyed', (stream: FakeTerminal) => Object.assign(stream, { destroyed: true })],
    [
      'throws',
      (stream: FakeTerminal) => {
        stream.write = () => {
          throw new Error('EIO')
        }
      },
    ],
  ])('when the stream %s', async (_name, breaks) => {
    const terminal = new FakeTerminal()
    const { queue, clock, send } = timed()
    const stop = watch(queue, { stream: terminal, clock })
    breaks(terminal)
    const { length } = terminal.written
    send(100)
    await clock.advance(1_000)
    expect(clock.timers).toBe(0)
    expect(terminal.listeners).toEqual([])
    expect(terminal.written).toHaveLength(length)
    stop()
    await queue.close()
  })

  test('a stream that can not keep up is left alone until it can', async () => {
    const terminal = new FakeTerminal()
    const { queue, clock, send } = timed()
    watch(queue, { stream: terminal, clock })
    terminal.writableNeedDrain = true
    send(60_000)
    await clock.advance(1_000)
    expect(terminal.written).toHaveLength(1)
    terminal.writableNeedDrain = false
    await clock.advance(250)
    expect(terminal.screen).toContain('1 of 2 busy')
  })

  test('real timers drive it, also fake ones of a test', () => {
    vi.useFakeTimers()
    const { queue } = timed()
    const stop = watch(queue, { stream: new FakeTerminal() })
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1_000)
    expect(vi.getTimerCount()).toBe(1)
    stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a process that is only watched ends by itself', { timeout: 30_000 }, async () => {
    const from = (path: string): string => JSON.stringify(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)))
    const script = `
      import { QueuedExecutor } from ${from('index.ts')}
      import { watch } from ${from('terminal/index.ts')}
      const queue = new QueuedExecutor(async (n) => n)
      watch(queue, { plainIntervalMs: 600_000 })
      await queue.execute(1)
      console.log('done')`
    const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script])
    expect((await run).stdout).toBe('done\n')
  })
})

test.each([
  ['an unknown option', { interval: 1 }, "Unknown option 'interval'"],
  ['options that are none', 5, "Option 'options': expected an object, got 5"],
  ['a stream that can not be written to', { stream: {} }, "Option 'stream': expected a writable stream, got {}"],
  ['no stream', { stream: null }, "Option 'stream': expected a writable stream, got null"],
  ['no time between frames', { intervalMs: 0 }, "Option 'intervalMs': expected a number of ms from 1 to 2147483647"],
  [
    'a time that timers do not reach',
    { plainIntervalMs: 2 ** 31 },
    "Option 'plainIntervalMs': expected a number of ms",
  ],
  ['a time that is NaN', { intervalMs: Number.NaN }, 'got NaN'],
  ['colours by name', { colors: 'yes' }, "Option 'colors': expected a boolean, got 'yes'"],
  ['a clock that is none', { clock: Date }, "Option 'clock': expected a clock with now, setTimeout and clearTimeout"],
])('refuses %s', (_name, options, message) => {
  const call = () => watch(timed().queue, options as WatchOptions)
  expect(call).toThrow(OptionsError)
  expect(call).toThrow(message)
})

test('refuses what is no executor', () => {
  expect(() => watch({} as never)).toThrow("Option 'executor': expected a QueuedExecutor, got {}")
})

/**
 * The files of `docs/write-a-policy.md` are sound TypeScript, its policies are short, its tests pass, and what its tables say of
 * policies that throw, or answer what is no answer, is so.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  type Guard,
  type LimitPolicy,
  type OrderPolicy,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RetryPolicy,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/write-a-policy.md'), 'utf8')
// Inside the project, so that packages are found.
const folder = mkdtempSync(join(root, '.readme-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Each fence is a file, and its first line says which. */
const files = [...page.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```/gms)].map(
  ([, name, code]) => [name, code] as [string, string],
)
const tests = files.filter(([name]) => name.endsWith('.test.ts'))
const policies = files.filter(([name]) => !name.endsWith('.test.ts'))

beforeAll(() => {
  for (const [name, code] of files) writeFileSync(join(folder, name), code)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../tsconfig.json', include: ['*.ts'] }))
})

test('each fence is a file', () => {
  expect(files.length).toBe(page.match(/^```ts$/gm)?.length)
  expect(policies.map(([name]) => name)).toEqual([
    'unit-budget.ts',
    'pace.ts',
    'shortest-first.ts',
    'p95-limit.ts',
    'when-told.ts',
  ])
})

test.each(policies)('%s has at most twenty lines of code', (_, code) => {
  const lines = code.split('\n').filter((line) => line.trim() !== '' && !/^(import|\/\*\*)/.test(line))
  expect(lines.length).toBeLessThanOrEqual(20)
})

test('all of them are sound TypeScript', { timeout: 120_000 }, async () => {
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = await run(tsc, ['-p', folder, '--listFiles'], { cwd: root }).catch(({ stdout, stderr }) => {
    throw new Error(`${stdout}${stderr}`)
  })
  for (const [name] of files) expect(stdout).toContain(join(folder, name))
})

test.each(tests)('%s passes', { timeout: 60_000 }, async (name, code) => {
  const fromSource = join(root, 'test/support/from-source.ts')
  const args = ['--import', fromSource, '--test-reporter=tap', join(folder, name)]
  const { stdout } = await run(process.execPath, args, { cwd: root })
  expect(stdout).toContain(`# pass ${code.match(/^test\(/gm)?.length}\n`)
})

test('each link, and each path that it names in this repository, leads somewhere', () => {
  const links = [...page.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => join('docs', path as string))
  const paths = [...page.matchAll(/`((?:src|test|tools|bench|docs)\/[^`\s]+)`/g)].map(([, path]) => path as string)
  expect(paths.length).toBeGreaterThan(15)
  expect([...links, ...paths].filter((path) => !existsSync(join(root, path)))).toEqual([])
})

// ── The tables ───────────────────────────────────────────────────────────────────────────────────────────────────────

const oops = new Error('oops')
const throws = (): never => {
  throw oops
}
/** As if it were asynchronous by mistake. */
const promises = (): never => Promise.resolve(1) as never

/** Five requests, one after the other; the first attempt of `'flaky'` fails. What was reported is told by its message. */
async function five(options: QueuedExecutorOptions<string>) {
  const clock = new VirtualClock()
  const reported: string[] = []
  const onListenerError = (error: unknown) => void reported.push((error as Error).message)
  const job = async (name: string, { attempt }: { attempt: number }) => {
    await clock.sleep(10)
    if (name === 'flaky' && attempt === 1) throw new Error('flaky')
    return `${name} ${attempt}`
  }
  const queue = new QueuedExecutor(job, { clock, onListenerError, debug: true, ...options })
  const names = ['a', 'b', 'flaky', 'c', 'd']
  const all = Promise.all(names.map((name) => queue.execute(name).catch((error: unknown) => error)))
  await clock.run({ until: all })
  return { answers: await all, reported, queue, clock }
}

const wellDone = ['a 1', 'b 1', new Error('flaky'), 'c 1', 'd 1']
const retried = ['a 1', 'b 1', 'flaky 2', 'c 1', 'd 1']
const refused = [oops, oops, oops, oops, oops]

describe('a guard that', () => {
  const guard = (more: Partial<Guard>) => five({ overload: { name: 'mine', ...more } })

  test.each(['admit', 'delayMs'] as const)(
    'throws in %s: the newcomer is refused with this very error',
    async (name) => {
      const { answers, reported } = await guard({ [name]: throws })
      expect(answers).toEqual(refused)
      expect(answers[0]).toBe(oops)
      expect(reported).toEqual([])
    },
  )

  test.each(['holdMs', 'drop', 'started', 'settled'] as const)('throws in %s: reported, all run', async (name) => {
    const { answers, reported } = await guard({ [name]: throws })
    expect(answers).toEqual(wellDone)
    expect(new Set(reported)).toEqual(new Set(['oops']))
  })

  test.each(['admit', 'delayMs', 'holdMs', 'drop'] as const)(
    'has no answer in %s: reported once, all run',
    async (name) => {
      const { answers, reported } = await guard({ [name]: promises })
      expect(answers).toEqual(wellDone)
      expect(reported).toEqual([expect.stringContaining(`mine.${name}`)])
    },
  )

  test.each(['started', 'settled'] as const)('answers in %s: nobody looks at it', async (name) => {
    const { answers, reported } = await guard({ [name]: promises })
    expect([answers, reported]).toEqual([wellDone, []])
  })

  test('delays for ever: refused with an OptionsError', async () => {
    const { answers } = await guard({ delayMs: () => Number.POSITIVE_INFINITY })
    expect(answers[0]).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'mine.delayMs' })
  })

  test('holds for ever: asked again after a second; within a hold it is not asked', async () => {
    const askedAt: number[] = []
    const holdMs: Guard['holdMs'] = ({ at }) => {
      askedAt.push(at)
      return at < 1_000 ? Number.POSITIVE_INFINITY : 0
    }
    const { answers } = await guard({ holdMs })
    expect(answers).toEqual(wellDone)
    expect(askedAt.slice(0, 2)).toEqual([0, 1_000])
  })

  test('says no: by its name as the rule it is a rate, or an overload', async () => {
    const mine: Guard = { name: 'mine', admit: () => ({ rule: 'mine', compared: {}, wouldAdmit: 'none' }) }
    expect((await five({ overload: mine })).answers[0]).toMatchObject({ code: 'TRIAGE_OVERLOADED' })
    expect((await five({ rateLimit: mine })).answers[0]).toMatchObject({ code: 'TRIAGE_RATE_LIMITED' })
  })

  test('says no: those behind it are not asked, those of rateLimit come first', async () => {
    const asked: string[] = []
    const named = (name: string, says: boolean): Guard => ({
      name,
      admit() {
        asked.push(name)
        return says ? { rule: name, compared: {}, wouldAdmit: 'none' } : undefined
      },
    })
    const rateLimit = [named('rate 1', false), named('rate 2', true)]
    await five({ overload: [named('overload', false)], rateLimit })
    expect(asked.slice(0, 2)).toEqual(['rate 1', 'rate 2'])
    expect(asked).not.toContain('overload')
  })

  test('is not asked about one that joins, and is told of no request where ready() was told of none', async () => {
    const asked: unknown[] = []
    const { queue, clock } = await five({
      overload: { name: 'mine', admit: ({ request }) => void asked.push(request) },
    })
    asked.length = 0
    await clock.run({ until: Promise.all([queue.execute('x', { id: 'x' }), queue.execute('x', { id: 'x' })]) })
    expect([asked, queue.getStatus().totals.joined]).toEqual([['x'], 1])
    await queue.ready()
    expect(asked).toEqual(['x', undefined])
  })

  test('is asked with probe by ready(), by map(), and where nothing may wait; and is not told that the queue is full', async () => {
    const probes: string[] = []
    let starts = 0
    const mine: Guard = {
      name: 'mine',
      admit: ({ probe }) => void probes.push(`admit ${probe}`),
      holdMs({ probe }) {
        probes.push(`hold ${probe}`)
        return 0
      },
      started: () => void starts++,
    }
    const { queue } = await five({ overload: mine, maxQueueSize: 1, concurrency: 1 })
    expect([starts, probes.filter((each) => each === 'admit false').length]).toEqual([2, 5])
    probes.length = 0
    await queue.ready()
    expect(probes).toEqual(['admit true'])
    probes.length = 0
    const clock = new VirtualClock()
    const other = new QueuedExecutor(async (name: string) => name, { clock, overload: mine, maxQueueSize: 'none' })
    await other.execute('a')
    expect(probes).toEqual(['admit false', 'hold true', 'hold false'])
    probes.length = 0
    const third = new QueuedExecutor(async (name: string) => name, { clock, overload: mine })
    for await (const answer of third.map(['a'])) expect(answer).toBe('a')
    expect(probes.slice(0, 2)).toEqual(['admit true', 'admit false'])
  })
})

describe('an order that', () => {
  const order = (more: Partial<OrderPolicy>): OrderPolicy => ({
    ...{ name: 'mine', acrossTiers: false, rank: ({ sequence }) => sequence },
    ...more,
  })

  test('throws in rank: the newcomer is refused with this very error', async () => {
    const { answers, reported } = await five({ order: order({ rank: throws }) })
    expect([answers, reported]).toEqual([refused, []])
  })

  test('throws in rank about one that was to start later: it is cancelled, with it as cause', async () => {
    const { queue, clock } = await five({
      order: order({ rank: ({ request, sequence }) => (request === 'x' ? throws() : sequence) }),
    })
    const answer = queue.execute('x', { delayMs: 10 }).catch((error: unknown) => error)
    await clock.run({ until: answer })
    expect(await answer).toMatchObject({ code: 'TRIAGE_CANCELLED', cause: oops })
  })

  test('throws in rank about a new priority: setPriority() throws it, a join does not lift, nothing has changed', async () => {
    const { queue, clock, reported } = await five({
      ...{ concurrency: 1, order: order({ rank: ({ tier, sequence }) => (tier === 0 ? throws() : sequence) }) },
    })
    const first = queue.execute('first')
    const request = await queue.submit('x', { id: 'x' })
    expect(() => request.setPriority('urgent')).toThrow(oops)
    const joined = queue.execute('x', { id: 'x', priority: 'urgent' })
    expect([request.priority, request.state, reported]).toEqual(['normal', 'waiting', ['oops']])
    await clock.run({ until: Promise.all([first, joined]) })
    expect(await joined).toBe('x 1')
  })

  test.each(['started', 'settled'] as const)('throws in %s: reported, all run', async (name) => {
    const { answers, reported } = await five({ order: order({ [name]: throws }) })
    expect(answers).toEqual(wellDone)
    expect(reported).toEqual(['oops', 'oops', 'oops', 'oops', 'oops'])
  })

  test('has no answer: it ranks last, and a promise is reported once', async () => {
    const ran: string[] = []
    const rank: OrderPolicy['rank'] = ({ request, sequence }) => (request === 'a' ? promises() : sequence)
    const policy = order({ rank, started: ({ request }) => void ran.push(String(request)) })
    const { reported } = await five({ concurrency: 1, order: policy })
    expect(ran).toEqual(['b', 'flaky', 'c', 'd', 'a'])
    expect(reported).toEqual([expect.stringContaining('order.rank')])
  })

  test('hears in left of one that has not come in after all, was cancelled, or has another priority', async () => {
    const left: string[] = []
    const policy = order({ left: ({ request, tier }) => void left.push(`${request} ${tier}`) })
    const { queue, clock } = await five({ concurrency: 1, order: policy })
    const first = queue.execute('first')
    const request = await queue.submit('x')
    request.setPriority('urgent')
    expect(left).toEqual(['x 2'])
    request.cancel()
    expect(left).toEqual(['x 2', 'x 0'])
    await clock.run({ until: first })
  })
})

describe('a limit that', () => {
  const limit = (more: Partial<LimitPolicy>): LimitPolicy => ({ name: 'mine', initial: 2, sample: () => 3, ...more })

  test('stands beside concurrency: an OptionsError', async () => {
    const both = five({ concurrency: 2, limit: limit({}) })
    await expect(both).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'concurrency' })
  })

  test('has no initial: an OptionsError', async () => {
    await expect(five({ limit: limit({ initial: 0.5 }) })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
  })

  test.each([
    ['throws', throws, 2, 4],
    ['has no answer', promises, 2, 4],
    ['answers NaN', () => Number.NaN, 2, 0],
    ['answers Infinity', () => Number.POSITIVE_INFINITY, 2, 0],
    ['answers 3.9', () => 3.9, 3, 0],
    ['answers -1', () => -1, 1, 0],
  ])('%s', async (_, sample, concurrency, reports) => {
    const { queue, answers, reported } = await five({ limit: limit({ sample }) })
    expect(answers).toEqual(wellDone)
    expect([queue.concurrency, reported.length]).toEqual([concurrency, reports])
  })

  test.each([
    ['throws in isDropped: the call teaches nothing', throws, 4, 1],
    ['has a promise in isDropped: the same', promises, 4, 1],
    ['has no isDropped: a failure teaches nothing', undefined, 4, 0],
    ['says yes: it does', () => 'yes' as never, 5, 0],
  ])('%s', async (_, isDropped, samples, reports) => {
    let sampled = 0
    const sample = () => {
      sampled++
      return 2
    }
    const { reported } = await five({ limit: limit({ sample, ...(isDropped && { isDropped }) }) })
    expect([sampled, reported.length]).toEqual([samples, reports])
  })

  test('is a shadow: it is shown, and concurrency holds', async () => {
    const { queue } = await five({ concurrency: 7, limit: limit({ shadow: true }) })
    expect([queue.concurrency, queue.getStatus().limit]).toEqual([7, { name: 'mine', limit: 3, shadow: true }])
  })
})

describe('a retry that', () => {
  const retry = (delayMs: RetryPolicy['delayMs']): Promise<Awaited<ReturnType<typeof five>>> =>
    five({ retry: { name: 'mine', delayMs } })

  test.each([
    ['says 0: at once', () => 0, retried, 0],
    ['says undefined', () => undefined, wellDone, 0],
    ['throws', throws, wellDone, 1],
    ['has no answer', promises, wellDone, 1],
    ['answers NaN', () => Number.NaN, wellDone, 0],
    ['answers Infinity', () => Number.POSITIVE_INFINITY, wellDone, 0],
    ['answers -1', () => -1, wellDone, 0],
  ])('%s', async (_, delayMs, expected, reports) => {
    const { answers, reported } = await retry(delayMs)
    expect([answers, reported.length]).toEqual([expected, reports])
  })

  test('answers with more than the time that is left: the caller gets the error now', async () => {
    const { answers, clock } = await five({ timeoutMs: 100, retry: { name: 'mine', delayMs: () => 95 } })
    expect(answers).toEqual(wellDone)
    expect(clock.now()).toBe(10)
  })
})

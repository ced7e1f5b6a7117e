/** `triage-queue size`: what it prints, and what it does not take. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { size } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { faultOf, root, run } from './support/cli.ts'

test('it prints what size() says, with its assumptions, and the same as JSON', async () => {
  const question = ['--rate', '1143', '--run', '3.5s', '--goal', 'p99wait<200ms', '--memory', '2GB', '--cores', '2']
  const { code, out, err } = await run(['size', ...question])
  expect([code, err]).toEqual([0, ''])
  const page = readFileSync(join(root, 'docs/sizing.md'), 'utf8')
  expect(out.split('\n\n').slice(0, 2).join('\n\n')).toBe(/```text\n(.*?)\n```/s.exec(page)?.[1])
  expect(out).toContain('· Requests come independently of each other (Poisson).')
  const json = JSON.parse((await run(['size', ...question, '--json'])).out)
  const options = { cores: 2, memoryBytes: 2 * 1024 ** 3, overHttp: true }
  const expected = size({ ratePerSecond: 1_143, runMs: 3_500, goals: ['p99wait<200ms'], ...options })
  expect(json).toEqual({ v: 1, ...JSON.parse(JSON.stringify(expected)) })
})

test('--poisson: a simulation beside it, by tier', async () => {
  const args = [
    'size',
    '--rate',
    '75',
    '--run',
    '100ms',
    '--slots',
    '10',
    '--mix',
    'urgent=1,low=3',
    '--poisson',
    '--json',
  ]
  const { wait, byPriority, confirmed } = JSON.parse((await run(args)).out)
  expect(Math.abs(confirmed.p99Ms / wait.p99Ms - 1)).toBeLessThan(0.15)
  expect(Math.abs(confirmed.byPriority.urgent.p99Ms / byPriority.urgent.p99Ms - 1)).toBeLessThan(0.15)
})

test('what does not suffice ends with 99; nonsense is told in a sentence', async () => {
  const short = ['size', '--rate', '90', '--run', '100ms', '--slots', '10']
  expect(await run([...short, '--memory', '2GB'])).toMatchObject({
    code: 99,
    out: expect.stringContaining('It does not keep'),
  })
  // Where it can never keep up, the sentence is all that there is.
  expect(await run(['size', '--rate', '90', '--run', '100ms', '--slots', '8', '--json'])).toMatchObject({
    code: 99,
    out: '',
    err: 'triage-queue: 8 slots can do 80 requests a second of 100 ms, and 90 come: it takes 10 at least\n',
  })
  const small = await run(['size', '--rate', '9', '--run', '100ms', '--memory', '64MB'])
  expect(small).toMatchObject({ code: 99, out: expect.stringContaining('does not fit') })
  const busy = await run(['size', '--rate', '10', '--run', '9s', '--cpu', '5s', '--cores', '2', '--memory', '2GB'])
  expect(busy).toMatchObject({
    code: 99,
    out: expect.stringContaining('The runs take 50 processors, and there are 2: more machines, or less to compute.\n'),
  })
  for (const [args, says] of [
    [[], 'How many requests come in a second? --rate 1143'],
    [['--rate', '90'], 'How long does a run take? --run 3.5s'],
    [['--rate', '-3', '--run', '1s'], '--rate: expected a number greater than 0, got "-3"'],
    [['--rate', '90', '--run', '100ms', '--goal', 'fast'], "expected goals as 'p99wait < 200ms'"],
    [['--rate', '90', '--run', '100ms', '--mix', 'hgih=3'], '--mix: expected shares of urgent, high, normal, low'],
  ] as const) {
    const fault = await faultOf(['size', ...args])
    expect(fault.code).toBe(2)
    expect(fault.says).toContain(says)
  }
})

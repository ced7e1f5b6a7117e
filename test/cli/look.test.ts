/** `triage-queue requests`, `top` and `doctor`: a look at what runs, and a hand on it. */
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { call, fixtures, root, run, scratch, serve, start } from './support/cli.ts'

const gated = join(fixtures, 'gated.mjs')

/** A service with one that runs, two that wait, and a token. */
async function busy(args: readonly string[] = []) {
  const service = await serve(gated, ['--workers', '1', ...args])
  const { submitUrl, token, process } = service
  for (const key of ['a', 'b', 'c']) {
    await call(submitUrl, { token, body: key, headers: { 'idempotency-key': key } })
  }
  await process.says(/started "a"/)
  return { ...service, env: { TRIAGE_CLI_TOKEN: token } }
}

test('requests: listed, shown, cancelled, by key or by id, and from stdin', async () => {
  const { url, env, process } = await busy()
  const at = ['--url', url]
  const listed = await run(['requests', 'ls', ...at], { env })
  expect(listed.out.split('\n')[0]).toMatch(/^id +state +priority +attempts +waited +ran +error$/)
  expect(listed.out.match(/^cli~. +(waiting|running) /gm)).toHaveLength(3)
  const lines = await run(['requests', 'ls', ...at, '--state', 'waiting', '--json'], { env })
  expect(
    lines.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { v: 1, id: 'cli~c', state: 'waiting' },
    { v: 1, id: 'cli~b', state: 'waiting' },
  ])
  const one = await run(['requests', 'ls', ...at, '-n', '1'], { env })
  expect(one.out.trim().split('\n')).toHaveLength(2)
  expect(one.err).toBe('triage-queue: 1 of 3; more with -n 3\n')
  // As many as there are.
  expect((await run(['requests', 'ls', ...at, '-n', '3'], { env })).err).toBe('')
  const shown = await run(['requests', 'show', 'b', ...at, '--payload'], { env })
  expect(JSON.parse(shown.out)).toMatchObject({ id: 'cli~b', state: 'waiting', payload: 'b' })
  const cancelled = await run(['requests', 'cancel', '-', ...at], { env, input: 'b\ncli~c\nnope\n' })
  expect(cancelled).toMatchObject({ code: 1, out: 'b cancelled\ncli~c cancelled\n' })
  expect(cancelled.err).toBe('triage-queue: nope: there is no such request, or it is not kept any more\n')
  const none = await run(['requests', 'ls', ...at, '--state', 'waiting'], { env })
  expect(none).toMatchObject({ code: 0, out: '', err: 'triage-queue: there are none\n' })
  expect(await run(['requests', 'cancel', 'a', ...at])).toMatchObject({
    code: 3,
    err: expect.stringContaining('does not know who asks: TRIAGE_CLI_TOKEN'),
  })
  expect(process.out).not.toContain('started "b"')
})

test('requests ls says whose each is, where the order tells them apart', async () => {
  const module = join(scratch(), 'tenants.mjs')
  writeFileSync(
    module,
    `import { fairBy } from ${JSON.stringify(join(root, 'src/index.ts'))}
    export default { executor: async () => 1, options: { order: fairBy((request) => request) } }`,
  )
  const { url, submitUrl, token } = await serve(module)
  for (const tenant of ['acme', '\u001b[31mred', 'x'.repeat(60)]) {
    await call(submitUrl, { token, body: tenant, headers: { prefer: 'wait=10' } })
  }
  const { out } = await run(['requests', 'ls', '--url', url], { env: { TRIAGE_CLI_TOKEN: token } })
  const [head, ...rows] = out.trim().split('\n')
  expect(head).toMatch(/^id +state +priority +key +attempts /)
  expect(rows.map((row) => row.split(/ {2,}/)[3])).toEqual(['x'.repeat(40), '\\x1b[31mred', 'acme'])
})

test('requests without a command shows its help alone', async () => {
  const { code, out, err } = await run(['requests'])
  expect([code, out]).toEqual([2, ''])
  expect(err).toMatch(/^Usage: triage-queue requests /)
  expect(err).not.toMatch(/outputHelp|^triage-queue:/m)
})

test('requests ls says how many more there are, and requests show why there is no payload', async () => {
  const { url, submitUrl, token } = await serve(join(root, 'examples/cli/hash.mjs'))
  const env = { TRIAGE_CLI_TOKEN: token }
  const headers = { prefer: 'wait=10' }
  for (const key of ['a', 'b', 'c']) {
    await call(submitUrl, { token, body: key, headers: { ...headers, 'idempotency-key': key } })
  }
  const list = (...args: string[]) => run(['requests', 'ls', '--url', url, ...args], { env })
  const more = 'triage-queue: 2 of 3; more with -n 3\n'
  expect((await list('-n', '2')).err).toBe(more)
  expect((await list('-n', '2', '--state', 'completed')).err).toBe(more)
  expect((await list('-n', '2', '--priority', 'normal')).err).toBe('triage-queue: 2, and there may be more: -n 200\n')
  expect((await list('-n', '2', '--json')).err).toBe('')
  expect((await list('-n', '3')).err).toBe('')
  const show = (...args: string[]) => run(['requests', 'show', 'b', '--url', url, ...args], { env })
  expect(await show('--payload')).toMatchObject({
    code: 0,
    out: expect.stringContaining('cli~b'),
    err: 'triage-queue: b has no payload: one is kept until its request has completed\n',
  })
  expect((await show()).err).toBe('')
})

test('requests requeue: a dead letter has another life, and anything else has none', async () => {
  const folder = scratch()
  const module = join(folder, 'fails.mjs')
  writeFileSync(module, `export default async (n) => { if (n === 'bad') throw new Error('no'); return n }`)
  const { url, submitUrl, token } = await serve(module, ['--db', join(folder, 'requests.db')])
  const env = { TRIAGE_CLI_TOKEN: token }
  const wait = { prefer: 'wait=10' }
  expect((await call(submitUrl, { token, body: 'bad', headers: { ...wait, 'idempotency-key': 'bad' } })).status).toBe(
    502,
  )
  expect((await call(submitUrl, { token, body: 'good', headers: { ...wait, 'idempotency-key': 'good' } })).status).toBe(
    200,
  )
  const at = ['--url', url]
  const before = JSON.parse((await run(['requests', 'ls', ...at, '--state', 'dead', '--json'], { env })).out)
  const requeued = await run(['requests', 'requeue', 'bad', 'good', ...at], { env })
  expect(requeued).toMatchObject({ code: 1, out: 'bad requeued\n', err: 'triage-queue: good: it is no dead letter\n' })
  const after = JSON.parse((await run(['requests', 'show', 'bad', ...at, '--json'], { env })).out)
  expect(after.generation).toBeGreaterThan(before.generation)
})

test('top: a line when something has changed, a status for scripts, and quiet at the end', async () => {
  const { url } = await busy()
  const once = await run(['top', url, '--once'])
  expect(once).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringMatching(/^gated open: 2 waiting \(normal 2\); 1 of 1 slots busy; .*\n$/),
  })
  expect(JSON.parse((await run(['top', url, '--once', '--json'])).out)).toMatchObject({
    v: 1,
    name: 'gated',
    waiting: 2,
  })
  const live = start(['top', new URL(url).host, '--interval', '50ms'])
  await live.says(/2 waiting/)
  live.child.kill('SIGINT')
  expect(await live.ended).toMatchObject({ code: 0, err: '' })
})

test('before anything was measured, top and doctor say so, and doctor advises nothing', async () => {
  const { url, submitUrl, token } = await serve(join(root, 'examples/cli/hash.mjs'))
  const env = { TRIAGE_CLI_TOKEN: token }
  expect((await run(['top', url, '--once'])).out).toContain('; wait p50 – p99 –; run p50 –; 0 completed')
  const idle = await run(['doctor', url], { env })
  expect(idle.out).toMatch(/^ok {3}hash: open, 0 waiting, 0 running, no wait measured yet$/m)
  expect(idle.out).not.toContain('fewer')
  await call(submitUrl, { token, body: 'a', headers: { prefer: 'wait=10' } })
  const used = await run(['doctor', url], { env })
  expect(used.out).toMatch(/^ok {3}hash: open, 0 waiting, 0 running, wait p99 .+$/m)
  expect(used.out).not.toContain('fewer')
})

test('doctor: a backup is told as one, and the files of shards are looked at by the name that serve has', async () => {
  const folder = scratch()
  const { openStore } = await import('../../src/sqlite/index.ts')
  const store = await openStore(join(folder, 'live.db'))
  const copy = join(folder, 'copy.db')
  await store.backup(copy)
  await store.close()
  const told = await run(['doctor', copy])
  expect(told.code).toBe(0)
  expect(told.out).toMatch(/^note copy: a backup, or a file copied alone: nothing is known of commits that came after/m)
  expect(told.out).not.toMatch(/last process|witness/)
  // It has been opened now, and closed.
  expect((await run(['doctor', copy])).out).toContain('last process: has closed it')

  const db = join(folder, 'sh.db')
  for (const shard of [0, 1]) await (await openStore(`${db}.${shard}`, { shard })).close()
  const both = await run(['doctor', db])
  expect(both.code).toBe(0)
  expect(both.out).toContain(`ok   ${db}: is of 2 shards, ${db}.0 …, each with a file of its own\n`)
  expect(both.out.match(/last process: has closed it/g)).toHaveLength(2)
  rmSync(`${db}.0`)
  const lines = (await run(['doctor', db, '--json'])).out.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line)).filter(({ is }) => is === 'bad')).toMatchObject([
    { what: `${db}.0`, says: 'it is gone: restore it from a backup', file: `${db}.0` },
  ])
})

test('doctor: a machine, a file and a service', async () => {
  const machine = await run(['doctor'])
  expect(machine).toMatchObject({ code: 0, err: '' })
  expect(machine.out).toMatch(/^ok {3}Node: /m)
  const db = join(scratch(), 'requests.db')
  const { url, process, env } = await busy(['--db', db, '--grace', '1ms'])
  const service = await run(['doctor', url], { env })
  expect(service.out).toMatch(/^ok {3}you: cli, admin$/m)
  expect(service.out).toMatch(/^ok {3}gated: open, 2 waiting/m)
  const locked = await run(['doctor', db])
  expect(locked.code).toBe(3)
  expect(locked.out).toMatch(/^note .* is open already, by process .*: ask its service instead/m)
  process.child.kill('SIGTERM')
  await process.ended
  const file = await run(['doctor', db, '--json'])
  expect(file.code).toBe(0)
  expect(
    file.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { v: 1, is: 'well', what: db },
    { what: 'last process', says: 'has closed it' },
    { what: 'requests', says: '3 requests will run at the next start' },
    { what: 'dead letters', says: 'none' },
  ])
  const empty = join(scratch(), 'empty.db')
  writeFileSync(empty, '')
  expect(await run(['doctor', empty])).toMatchObject({ code: 0, out: expect.stringMatching(/^note .*it is empty/) })
  expect([statSync(empty).size, existsSync(`${empty}.lock`)]).toEqual([0, false])
  const torn = join(scratch(), 'torn.db')
  writeFileSync(torn, 'this is no database at all')
  expect(await run(['doctor', torn])).toMatchObject({ code: 3, out: expect.stringMatching(/^BAD .*was not opened/) })
  expect(await run(['doctor', join(root, 'gone.db')])).toMatchObject({
    code: 3,
    out: expect.stringContaining('there is no such file'),
  })
})

test('a service that is not there is said in one line', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const commands = [
    ['top', url],
    ['requests', 'ls', '--url', url],
    ['requests', 'cancel', 'x', '--url', url],
    ['doctor', url],
  ]
  for (const args of commands) {
    expect(await run(args)).toEqual({
      code: 3,
      signal: null,
      out: '',
      err: `triage-queue: ${url} can't be reached: nobody listens there\n`,
    })
  }
})

/** `triage-queue serve`: a service from the shell, its signals, and what is wrong with a command line. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { call, faultOf, fixtures, root, run, scratch, serve, start } from './support/cli.ts'

const hash = join(root, 'examples/cli/hash.mjs')
const gated = join(fixtures, 'gated.mjs')
const oneLine = /^triage-queue: [^\n]+\n$/

test('it says where it is and how to submit, and the line of curl works as it stands', async () => {
  const service = start(['serve', hash, '--port', '0'])
  const [line] = await service.says(/curl .*$/m)
  const { stdout } = await promisify(execFile)('sh', ['-c', line])
  expect(JSON.parse(stdout)).toEqual({ digest: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' })
  const [, url] = await service.says(/page +(\S+)/)
  expect((await call(url as string)).status).toBe(200)
  expect(service.out).toContain('hash  5 slots, at most 10,000 wait')
  service.child.kill('SIGINT')
  expect(await service.ended).toMatchObject({ code: 0, err: '' })
})

test('the token of the environment, and one of a file, stand in the line of curl by name', async () => {
  const folder = scratch()
  const token = 'a-token-of-sixteen-and-more'
  writeFileSync(join(folder, 'token'), `${token}\n`)
  writeFileSync(join(folder, 'tokens'), `# who may\nwatcher viewer watching-only-0123456789\nweb submitter ${token}\n`)
  for (const { args, env } of [
    { args: [], env: { TRIAGE_CLI_TOKEN: token } },
    { args: ['--token-file', 'token'], env: {} },
    { args: ['--token-file', 'tokens'], env: {} },
  ]) {
    const service = start(['serve', hash, '--port', '0', ...args], { env, cwd: folder })
    const [line] = await service.says(/curl .*$/m)
    expect(service.out).not.toContain(token)
    const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: folder, env: { ...process.env, ...env } })
    expect(JSON.parse(stdout)).toHaveProperty('digest')
    service.child.kill('SIGTERM')
    expect((await service.ended).code).toBe(0)
  }
})

test('a request is answered, and found by its id; metrics have a port of their own', async () => {
  const { process, submitUrl, token, metricsUrl } = await serve(hash, ['--metrics-port', '0', '--workers', '2'])
  expect((await call(submitUrl, { body: 'a' })).status).toBe(401)
  const answer = await call(submitUrl, { token, body: { text: 'a', rounds: 3 }, headers: { prefer: 'wait=10' } })
  expect([answer.status, Object.keys(answer.body)]).toEqual([200, ['digest']])
  const metrics = await call(metricsUrl)
  expect(metrics.text).toContain('triage_requests_ended_total{queue="hash",priority="normal",outcome="completed"} 1')
  const { origin } = new URL(metricsUrl)
  expect((await call(`${origin}/readyz`)).status).toBe(200)
  expect((await call(`${origin}/v1/queues`)).status).toBe(404)
  process.child.kill('SIGTERM')
  expect((await process.ended).code).toBe(0)
})

test('an export by its name, with options and a schema of its own; a flag goes before them', async () => {
  const module = `${join(fixtures, 'several.mjs')}#configured`
  const { process, submitUrl, token, url, queue } = await serve(module, ['--max-queue-size', '9'])
  expect(queue).toBe('own')
  expect((await call(`${url}/v1/queues/own`)).body).toMatchObject({ maxWorkers: 3, maxQueueSize: 9 })
  const headers = { prefer: 'wait=10' }
  expect((await call(submitUrl, { token, body: { n: 1 }, headers })).body).toEqual({ got: { n: 1, checked: true } })
  expect((await call(submitUrl, { token, body: {}, headers })).status).toBe(400)
  process.child.kill('SIGTERM')
  await process.ended
})

test('an executor that the module has made, and TypeScript', async () => {
  const made = await serve(join(fixtures, 'executor.mjs'))
  const options = { token: made.token, body: 1, headers: { prefer: 'wait=10' } }
  expect((await call(made.submitUrl, options)).body).toEqual({ made: 1 })
  made.process.child.kill('SIGTERM')
  expect((await made.process.ended).code).toBe(0)
  const typed = await serve(join(fixtures, 'typed.ts'))
  expect((await call(typed.submitUrl, { ...options, token: typed.token })).body).toBe(2)
  typed.process.child.kill('SIGTERM')
  expect((await typed.process.ended).code).toBe(0)
})

test('a flag goes before the environment, the environment before the file, and all before the default', async () => {
  const file = join(scratch(), 'config.json')
  writeFileSync(file, JSON.stringify({ serve: { workers: 2, 'max-queue-size': 3, name: 'of-file', grace: '2s' } }))
  const env = { TRIAGE_CLI_CONFIG: file, TRIAGE_CLI_MAX_QUEUE_SIZE: '4', TRIAGE_CLI_NAME: 'of-environment' }
  const { process, url, queue } = await serve(hash, ['--name', 'of-flag'], { env })
  expect(queue).toBe('of-flag')
  expect((await call(`${url}/v1/queues/of-flag`)).body).toMatchObject({ maxWorkers: 2, maxQueueSize: 4 })
  process.child.kill('SIGTERM')
  await process.ended
})

test('a signal: nothing new comes in, what was admitted is finished, and it ends with 0', async () => {
  const { process, submitUrl, token, url } = await serve(gated, ['--workers', '2', '--grace', '1m'])
  const first = call(submitUrl, { token, body: 'first', headers: { prefer: 'wait=30' } })
  await process.says(/started "first"/)
  process.child.kill('SIGTERM')
  await process.says(/SIGTERM: finishes 1 request within 1\.0 min/, 'err')
  expect((await call(`${url}/readyz`)).status).toBe(503)
  expect((await call(submitUrl, { token, body: 'late' })).status).toBe(503)
  // What opens the gate is refused as well: so the run ends by its own cancellation.
  const [record] = (await call(`${url}/v1/queues/gated/requests?state=running`, { token })).body.requests
  expect(
    (await call(`${url}/v1/queues/gated/requests/${record.id}/cancel`, { token, method: 'POST', body: {} })).status,
  ).toBe(200)
  expect((await first).status).toBe(409)
  expect(await process.ended).toMatchObject({ code: 0 })
})

test('what the grace does not suffice for is cancelled, said, and ends with 143; the second signal cuts it short', async () => {
  for (const second of [false, true]) {
    const { process, submitUrl, token } = await serve(gated, ['--workers', '1', '--grace', second ? '10m' : '50ms'])
    const answers = ['running', 'waiting'].map((body) =>
      call(submitUrl, { token, body, headers: { prefer: 'wait=30', 'idempotency-key': body } }),
    )
    await process.says(/started "running"/)
    while ((await call(submitUrl.replace(/\/requests$/, ''))).body.waiting === 0);
    process.child.kill('SIGTERM')
    await process.says(/finishes 2 requests/, 'err')
    if (second) process.child.kill('SIGINT')
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([503, 503])
    const { code, err, out } = await process.ended
    expect(code).toBe(143)
    expect(out).toContain('aborted "running"')
    expect(err).toContain('2 requests cancelled')
  }
})

test('a function that hears of no signal keeps nothing from ending', async () => {
  const folder = scratch()
  const deaf = join(folder, 'deaf.mjs')
  writeFileSync(
    deaf,
    `export default () => new Promise(() => { process.stdout.write('deaf\\n'); setInterval(() => {}, 1e6) })`,
  )
  const { process, submitUrl, token } = await serve(deaf)
  void call(submitUrl, { token, body: 1, headers: { prefer: 'wait=30' } }).catch(() => {})
  await process.says(/^deaf$/m)
  process.child.kill('SIGINT')
  await process.says(/finishes 1 request/, 'err')
  process.child.kill('SIGTERM')
  expect((await process.ended).code).toBe(130)
})

test('a call that goes on though its request was cancelled is told as what a signal waits for', async () => {
  const module = join(scratch(), 'deaf.mjs')
  writeFileSync(
    module,
    `export default () => new Promise(() => { process.stdout.write('deaf\\n'); setInterval(() => {}, 1e6) })`,
  )
  for (const second of [false, true]) {
    const { process, submitUrl, token, url } = await serve(module, ['--grace', second ? '10m' : '100ms'])
    await call(submitUrl, { token, body: 1, headers: { 'idempotency-key': 'a' } })
    await process.says(/^deaf$/m)
    const path = `${url}/v1/queues/deaf/requests/cli~a/cancel`
    expect((await call(path, { token, method: 'POST', body: {} })).status).toBe(200)
    process.child.kill('SIGTERM')
    const within = second ? '10.0 min' : '100 ms'
    await process.says(new RegExp(`SIGTERM: 1 call still runs, for at most ${within}`), 'err')
    if (second) process.child.kill('SIGTERM')
    expect(await process.ended).toMatchObject({
      code: 143,
      err: expect.stringMatching(/triage-queue: 1 call not waited for any more\n$/),
    })
  }
})

test('each run that fails is a line on stderr, at most ten a second; --expose-errors tells it in the answer as well', async () => {
  const folder = scratch()
  const module = join(folder, 'bug.mjs')
  writeFileSync(
    module,
    `import { backoff } from ${JSON.stringify(join(root, 'src/index.ts'))}
    const executor = async (request) => {
      if (request === 'again') throw Object.assign(new Error('busy'), { again: true })
      if (request === 'long') throw new Error('\\x1b[31m\\u202e' + 'x'.repeat(1e5) + '\\nsecond line')
      if (request === 'odd') throw null
      if (request === 'slow') return new Promise(() => {})
      return request.foo.bar
    }
    export default { executor, options: { retry: backoff({ attempts: 2, baseMs: 1, retryIf: (error) => error?.again }) } }`,
  )
  const headers = { prefer: 'wait=20' }
  for (const [args, detail] of [
    [[], undefined],
    [['--expose-errors'], "TypeError: Cannot read properties of undefined (reading 'bar')"],
    [['--shards', '1', '--expose-errors'], "TypeError: Cannot read properties of undefined (reading 'bar')"],
  ] as const) {
    const { process, submitUrl, token } = await serve(module, [...args, '--timeout', '1s'])
    const ask = (body: unknown) => call(submitUrl, { token, body, headers })
    const answer = await ask({})
    expect([answer.body.code, answer.body.detail]).toEqual(['TRIAGE_RUN_FAILED', detail])
    await process.says(
      /^triage-queue: bug \S+: TypeError: Cannot read properties of undefined \(reading 'bar'\) \(attempt 1\)$/m,
      'err',
    )
    await ask('odd')
    await process.says(/^triage-queue: bug \S+: null \(attempt 1\)$/m, 'err')
    await ask('long')
    const [line] = await process.says(/^triage-queue: bug \S+: Error: \\x1b\[31m\ufffdx+… \(attempt 1\)$/m, 'err')
    expect(line.length).toBeLessThan(450)
    await ask('again')
    await process.says(
      /^triage-queue: bug (\S+): Error: busy \(attempt 1, again in .* ms\)\n.*\1: Error: busy \(attempt 2\)$/m,
      'err',
    )
    await ask('slow')
    await process.says(/^triage-queue: bug \S+: RunTimeoutError: .* \(attempt 1\)$/m, 'err')
    await Promise.all(Array.from({ length: 60 }, () => ask({})))
    const [, held] = await process.says(/^triage-queue: bug: (\d+) more runs have failed$/m, 'err')
    expect(Number(held)).toBeGreaterThan(10)
    process.child.kill('SIGTERM')
    expect((await process.ended).code).toBe(0)
  }
})

test('with --db what was left runs after the next start; a second process is refused, and the first goes on', async () => {
  const db = join(scratch(), 'requests.db')
  const first = await serve(gated, ['--workers', '1', '--db', db, '--grace', '50ms'])
  for (const id of ['a', 'b']) {
    const options = { token: first.token, body: id, headers: { 'idempotency-key': id } }
    expect((await call(first.submitUrl, options)).status).toBe(202)
  }
  await first.process.says(/started "a"/)
  const locked = await run(['serve', gated, '--port', '0', '--db', db])
  expect(locked).toMatchObject({ code: 3, out: '' })
  expect(locked.err).toMatch(oneLine)
  expect(locked.err).toContain('choose another file with --db')
  first.process.child.kill('SIGTERM')
  expect(await first.process.ended).toMatchObject({ code: 143 })
  expect(first.process.err).toContain(`2 requests kept in ${db}`)
  const again = await serve(gated, ['--workers', '3', '--db', db])
  await again.process.says(/started "a"\nstarted "b"/)
  const opened = { token: again.token, body: { open: true }, headers: { prefer: 'wait=10' } }
  expect((await call(again.submitUrl, opened)).body).toBe('opened')
  again.process.child.kill('SIGTERM')
  expect(await again.process.ended).toMatchObject({ code: 0 })
})

test('--threads: calls run in worker threads; --shards: several queues, each with a file of its own', async () => {
  const folder = scratch()
  const which = join(folder, 'which.mjs')
  writeFileSync(which, `import { threadId } from 'node:worker_threads'\nexport default async () => threadId`)
  const ask = async (service: { submitUrl: string; token: string }) =>
    (await call(service.submitUrl, { token: service.token, body: 1, headers: { prefer: 'wait=20' } })).body
  const threaded = await serve(which, ['--threads', '2'])
  expect((await call(`${threaded.url}/v1/queues/which`)).body.maxWorkers).toBe(2)
  expect(await ask(threaded)).toBeGreaterThan(0)
  threaded.process.child.kill('SIGTERM')
  expect(await threaded.process.ended).toMatchObject({ code: 0, err: '' })
  const db = join(folder, 'requests.db')
  const sharded = await serve(which, ['--shards', '2', '--workers', '10', '--db', db])
  expect((await call(`${sharded.url}/v1/queues/which`)).body.maxWorkers).toBe(20)
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(sharded)))
  expect(new Set(answers).size).toBe(2)
  expect([`${db}.0`, `${db}.1`].map(existsSync)).toEqual([true, true])
  sharded.process.child.kill('SIGTERM')
  expect(await sharded.process.ended).toMatchObject({ code: 0, err: '' })
  expect((await run(['doctor', `${db}.1`])).out).toContain('has closed it')
  // Which shard has a request goes by how many there are.
  const one = join(folder, 'one.db')
  writeFileSync(one, '')
  const before = readdirSync(folder)
  for (const [args, says] of [
    [['--shards', '3', '--db', db], `${db} is of 2 shards (${db}.0 …), and not of 3: start it with --shards 2`],
    [['--shards', '1', '--db', db], 'and not of 1: start it with --shards 2'],
    [['--db', db], `${db} is of 2 shards (${db}.0 …): start it with --shards 2`],
    [['--shards', '2', '--db', one], 'one.db is of a queue without shards: start it without --shards'],
  ] as const) {
    const refused = await run(['serve', which, '--port', '0', ...args])
    expect(refused).toMatchObject({ code: 3, out: '', err: expect.stringMatching(oneLine) })
    expect(refused.err).toContain(says)
  }
  expect(readdirSync(folder)).toEqual(before)
  rmSync(`${db}.1`)
  expect((await run(['serve', which, '--port', '0', '--shards', '2', '--db', db])).err).toContain(`${db}.1 is gone`)
})

test('where piscina is not installed it says so of --threads', async () => {
  vi.doMock('../../src/threads/peer.ts', () => ({
    piscina: () => {
      throw new Error('threads() needs piscina, which is not installed: npm install piscina')
    },
  }))
  onTestFinished(() => void vi.doUnmock('../../src/threads/peer.ts'))
  expect(await faultOf(['serve', hash, '--port', '0', '--threads', '2'])).toEqual({
    says: '--threads needs piscina, which is not installed: npm install piscina',
    code: 3,
  })
})

test('a module that can not be read: with its file and line, and why where it is read as CommonJS', async () => {
  const folder = scratch()
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('package.json', '{ "type": "commonjs" }')
  write('w.ts', 'export default async (r: string) => r\n')
  write('w.js', "import 'node:fs'\n")
  write('w.cjs', 'export default async (r) => r\n')
  write('bad.mjs', 'const a = 1\nexport default async () => {\n  return )\n}\n')
  write('bad.mts', 'const a: number = 1\nexport default async () => {\n  return )\n}\n')
  write('uses.mjs', "import { a } from './has-none.mjs'\nexport default a\n")
  write('has-none.mjs', 'export const b = 1\n')
  const isOne = 'is CommonJS, as package.json has no "type": "module", and it has import or export'
  for (const [name, says] of [
    ['w.ts', `w.ts ${isOne}: call it w.mts, or set "type": "module"`],
    ['w.js', `w.js ${isOne}: call it w.mjs, or set "type": "module"`],
    ['w.cjs', 'w.cjs is CommonJS by its name, and has import or export: call it w.mjs'],
    ['bad.mjs', "Unexpected token ')' (bad.mjs:3)"],
    ['bad.mts', 'Expression expected (bad.mts:3)'],
    ['uses.mjs', "The requested module './has-none.mjs' does not provide an export named 'a' (uses.mjs:1)"],
  ] as const) {
    const ended = await run(['serve', name], { cwd: folder })
    expect(ended).toMatchObject({ code: 3, out: '' })
    expect(ended.err).toContain(`triage-queue: ${name} can't be loaded: ${says}\n`)
  }
})

test('what is wrong is said in one line with what to do, with its exit code, and nothing is half done', async () => {
  const folder = scratch()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const db = join(folder, 'never.db')
  writeFileSync(join(folder, 'short'), 'short\n')
  mkdirSync(join(folder, 'node_modules'))
  copyFileSync(join(fixtures, 'typed.ts'), join(folder, 'node_modules/typed.ts'))
  writeFileSync(join(folder, 'config.json'), '{ "serve": { "wrokers": 3 } }')
  const several = join(fixtures, 'several.mjs')
  const cases: [args: string[], code: number, says: string][] = [
    [['serve', 'gone.mjs'], 3, 'There is no file gone.mjs'],
    [['serve', join(fixtures, 'throws.mjs')], 3, "throws.mjs can't be loaded: the database is not there at all"],
    [['serve', join(folder, 'node_modules/typed.ts')], 3, 'below node_modules, where Node strips no types'],
    [['serve', several], 3, 'exports several functions: name one'],
    [['serve', `${several}#gone`], 3, "exports no 'gone': it has configured, double, text"],
    [['serve', `${several}#text`], 3, 'exports string: expected a function'],
    [['serve', hash, '--port', `${port}`, '--db', db], 3, `Port ${port} is in use: choose another with --port`],
    [['serve', hash, '--port', '0', '--metrics-port', `${port}`, '--db', db], 3, 'choose another with --metrics-port'],
    [['serve', hash, '--host', '192.0.2.1', '--db', db], 3, '192.0.2.1 is no address of this machine'],
    [
      ['serve', hash, '--prot', '1'],
      2,
      "Unknown option '--prot' (Did you mean --port?); see triage-queue serve --help",
    ],
    [['serve', hash, '--workers', 'many'], 2, '--workers: expected an integer of at least 1, got "many"'],
    [['serve', hash, '--grace', '5'], 2, "--grace: expected a time with its unit: '250ms', '3.5s', '2m', got \"5\""],
    [['serve', hash, '--when-full', 'explode'], 2, '--when-full: expected one of shed, reject, block'],
    [['serve', hash, '--token-file', join(folder, 'short')], 2, 'line 1: expected a token of at least 16'],
    [['serve', hash, '--token-file', 'gone'], 3, 'There is no file gone (--token-file)'],
    [['serve', hash, '--config', join(folder, 'config.json')], 2, '"wrokers" is no option of serve'],
    [['serve', hash, '--config', 'gone.json'], 3, 'There is no file gone.json (--config)'],
    [['serve', join(fixtures, 'executor.mjs'), '--workers', '3'], 2, '--workers is for a function'],
    [['serve', hash, '--threads', '2', '--workers', '3'], 2, '--workers 3 is more than --threads 2'],
    [['serve', hash, '--threads', '2', '--shards', '2'], 2, 'do not go together'],
    [
      ['serve', `${several}#configured`, '--threads', '2'],
      2,
      '--threads needs a module that exports the function itself',
    ],
    [['serve', join(fixtures, 'executor.mjs'), '--shards', '2'], 2, '--shards is for a function'],
    [['serve'], 2, "Missing required argument 'module'"],
    [['sevre', hash], 2, "Unknown command 'sevre' (Did you mean serve?)"],
  ]
  for (const [args, code, says] of cases) {
    const fault = await faultOf(args)
    expect(fault.says).toContain(says)
    expect(fault.says).not.toContain('\n')
    expect(fault.code, says).toBe(code)
  }
  // The same from outside.
  const [[args, code, says]] = cases as [(typeof cases)[0]]
  const ended = await run(args)
  expect(ended).toMatchObject({ code, out: '', err: expect.stringMatching(/^triage-queue: [^\n]+\n$/) })
  expect(ended.err).toContain(says)
  const fromOutside = await run(['serve', hash], { env: { TRIAGE_CLI_WORKERS: '-1' } })
  expect([fromOutside.err, fromOutside.code]).toEqual([
    'triage-queue: TRIAGE_CLI_WORKERS: expected an integer of at least 1, got "-1"\n',
    2,
  ])
  expect(existsSync(db)).toBe(false)
})

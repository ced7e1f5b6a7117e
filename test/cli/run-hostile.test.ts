/** `triage-queue run`: whatever a line, a job, a module, a disk or a signal does, no job is lost without a word. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { run, scratch, shell, start } from './support/cli.ts'

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

/** Of each line of a job log: number, exit code, signal, command. */
const endsOf = (log: string): string[] =>
  linesOf(log)
    .slice(1)
    .map((line) => line.split('\t'))
    .map(([seq, , , , , , exitCode, signal, ...command]) => [seq, exitCode, signal, command.join()].join(' '))

const jsonOf = (out: string): unknown[] =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(5)
}

function moduleOf(source: string, folder = scratch()): string {
  const file = join(folder, 'work.mjs')
  writeFileSync(file, source)
  return file
}

test('a line that can be no argument is a job that has failed: said, logged, counted, and in JSON', async () => {
  const folder = scratch()
  const args = (log: string, ...more: string[]): string[] => ['run', '-k', '-j', '2', '--joblog', log, ...more]
  const long = 'a'.repeat(200_000)
  const input = Buffer.concat([Buffer.from(`1\na\0b\n${long}\ncaf`), Buffer.from([0xe9]), Buffer.from('\n5\n')])
  const ended = await run([...args('log'), '--', 'echo', '{}'], { input, cwd: folder })
  // What comes behind them in the order is printed, too.
  expect(ended).toMatchObject({ code: 1, out: '1\n5\n' })
  expect(ended.err).toContain('line 2: it has a NUL byte, which no argument can have\n')
  expect(ended.err).toContain('line 3: it is too long for a command line (E2BIG): echo aaa')
  expect(ended.err).toContain('line 4: it is not UTF-8\n')
  expect(ended.err).toMatch(/5 ended in .*: 2 done, 3 failed\n$/)
  expect(endsOf(join(folder, 'log')).sort()).toEqual([
    '1 0 0 echo 1',
    String.raw`2 126 0 a\x00b`,
    `3 126 0 echo ${long}`,
    '4 126 0 caf\ufffd',
    '5 0 0 echo 5',
  ])
  const again = await run([...args('log', '--resume-failed'), '--', 'echo', '{}'], { input, cwd: folder })
  expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('3 failed; 2 had ended before') })
  const json = await run([...args('json', '--json', '-q'), '--', 'echo', '{}'], { input, cwd: folder })
  expect(json.code).toBe(1)
  expect(jsonOf(json.out)).toMatchObject([
    { seq: 1, exitCode: 0 },
    { seq: 2, attempts: 0, exitCode: 126, error: { message: 'it has a NUL byte, which no argument can have' } },
    { seq: 3, attempts: 1, exitCode: 126, error: { message: 'it is too long for a command line (E2BIG)' } },
    { seq: 4, attempts: 0, exitCode: 126, error: { message: 'it is not UTF-8' } },
    { seq: 5, exitCode: 0, stdout: '5\n' },
  ])
})

test('a line that is no request of a module has failed in the log and in JSON, too, and keeps its place', async () => {
  const folder = scratch()
  const work = moduleOf('export default async (n) => n', folder)
  const input = Buffer.concat([Buffer.from('1\nnope\n"'), Buffer.from([0xff]), Buffer.from('"\n4\n')])
  const ended = await run(['run', work, '-k', '--json', '--joblog', 'log'], { input, cwd: folder })
  expect(ended.code).toBe(1)
  expect(ended.err).toContain('line 2: it is not JSON\n')
  expect(jsonOf(ended.out)).toMatchObject([
    { seq: 1, state: 'completed', result: 1 },
    { seq: 2, state: 'failed', attempts: 0, error: { message: 'it is not JSON' } },
    { seq: 3, state: 'failed', attempts: 0, error: { message: 'it is not UTF-8' } },
    { seq: 4, state: 'completed', result: 4 },
  ])
  expect(endsOf(join(folder, 'log')).sort()).toEqual(['1 0 0 1', '2 1 0 nope', '3 1 0 "\ufffd"', '4 0 0 4'])
})

test('a command that can not be started has failed, also when there are no descriptors left', async () => {
  const folder = scratch()
  writeFileSync(join(folder, 'data'), '')
  const ended = await run(['run', '--joblog', 'log', '--', './{}'], { input: 'gone\ndata\n', cwd: folder })
  expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('line 1: spawn ./gone ENOENT: ./gone') })
  expect(endsOf(join(folder, 'log')).sort()).toEqual(['1 127 0 ./gone', '2 126 0 ./data'])
  const line = 'seq 40 | (ulimit -n 40; $TQ run -k -j 40 --joblog many -- sh -c "sleep 1")'
  const many = await shell(line, { cwd: folder })
  expect(many.code).toBe(1)
  expect(many.err).toMatch(/EMFILE.*\n40 ended in/s)
  expect(endsOf(join(folder, 'many'))).toHaveLength(40)
})

test('an answer that JSON does not have is a failure', async () => {
  const source =
    'export default async (n) => n === 1 ? () => 1 : n === 2 ? 1n : n === 3 ? Promise.reject(Object.create(null)) : undefined'
  const ended = await run(['run', moduleOf(source), '-j', '1'], { input: '1\n2\n3\n4\n' })
  expect(ended).toMatchObject({ code: 1, out: 'null\n' })
  expect(ended.err).toContain('line 1: its answer is a function, which JSON does not have: 1\n')
  expect(ended.err).toContain('line 3: something was thrown that has no text: 3\n')
  expect(ended.err).toMatch(/4 ended in .*: 1 done, 3 failed\n$/)
})

test('what jobs write is passed on byte for byte, and is in JSON as base64 where it is no text', async () => {
  const folder = scratch()
  const script = `$TQ run -a list -q -- sh -c 'printf "\\351\\0\\377%s" "$1"; printf "\\200" >&2' _ {} > out 2> err`
  writeFileSync(join(folder, 'list'), 'x\r\n')
  expect(await shell(script, { cwd: folder })).toMatchObject({ code: 0, out: '' })
  expect([...readFileSync(join(folder, 'out'))]).toEqual([0xe9, 0, 0xff, 0x78])
  expect([...readFileSync(join(folder, 'err'))]).toEqual([0x80])
  const json = await run(['run', '--json', '-q', '--', 'sh', '-c', "printf '\\351'", '{}'], { input: 'x\n' })
  const [job] = jsonOf(json.out) as [object]
  expect(job).toMatchObject({ stdout: '\ufffd', stdoutBase64: '6Q==', stderr: '' })
  expect(job).not.toHaveProperty('stderrBase64')
})

const never = `export default async (n, run) => {
  if (n === 1) await new Promise(() => {})
  if (n === 2) await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
  if (n === 3) run.holdUntil(new Promise(() => {}))
  return [n, run.attempt, run.remainingMs <= 60, run.signal.aborted, run.priority]
}`

test('--timeout frees the slot of a call that never settles; it is tried again, and has failed', async () => {
  const folder = scratch()
  const work = moduleOf(never, folder)
  const args = ['run', work, '-j', '1', '--retries', '1', '--timeout', '60ms', '--joblog', 'log']
  const ended = await run(args, { input: '1\n2\n3\n4\n', cwd: folder })
  expect(ended).toMatchObject({ code: 1, out: '[4,1,true,false,"normal"]\n' })
  for (const n of [1, 2, 3])
    expect(ended.err).toContain(`line ${n}: it took longer than --timeout (2 attempts): ${n}\n`)
  expect(endsOf(join(folder, 'log')).sort()).toEqual(['1 1 0 1', '2 1 0 2', '3 1 0 3', '4 0 0 4'])
  const json = await run(['run', work, '--timeout', '60ms', '--json', '-q', '--retries', '2'], { input: '1\n' })
  expect(jsonOf(json.out)).toMatchObject([{ seq: 1, attempts: 3, error: { code: 'TRIAGE_RUN_TIMEOUT' } }])
})

test('a call that never settles: a signal waits for --grace, the second for nothing', async () => {
  const work = moduleOf(`export default async () => { console.error('begun'); await new Promise(() => {}) }`)
  const patient = start(['run', work, '-j', '1', '--grace', '50ms'], { input: '1\n2\n' })
  await patient.says(/begun/, 'err')
  patient.child.kill('SIGTERM')
  const ended = await patient.ended
  expect(ended).toMatchObject({ code: 143, out: '' })
  expect(ended.err).toMatch(
    /^begun\n.*SIGTERM: 1 job may end within 50 ms; once more to end it\n.*2 jobs of those .* not done\n0 done in .*\n$/,
  )
  // Its input has no end, and nothing else keeps it.
  const hasty = start(['run', work, '-j', '1', '--grace', '1h'], { open: true })
  hasty.child.stdin?.write('1\n')
  await hasty.says(/begun/, 'err')
  hasty.child.kill('SIGINT')
  await hasty.says(/may end within/, 'err')
  hasty.child.kill('SIGINT')
  expect(await hasty.ended).toMatchObject({ code: 130, err: expect.stringContaining('1 job of those') })
})

test('a command that hears of no signal is ended after --grace', async () => {
  const folder = scratch()
  const script = `trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done`
  const busy = start(['run', '--grace', '50ms', '--', 'sh', '-c', script, '{}'], { input: '1\n', cwd: folder })
  await until(() => linesOf(join(folder, 'pid')).length === 1)
  busy.child.kill('SIGTERM')
  expect((await busy.ended).code).toBe(143)
  const pid = linesOf(join(folder, 'pid'))[0] as string
  expect(existsSync(`/proc/${pid}/fd/0`)).toBe(false)
})

test('what is ended by --timeout has failed, also when it says that all was well, or leaves its pipes to others', async () => {
  const folder = scratch()
  const polite = `trap 'exit 0' TERM; while :; do sleep 0.05; done`
  const args = ['run', '--timeout', '1s', '--joblog', 'log', '--', 'sh', '-c']
  const ended = await run([...args, polite, '{}'], { input: '1\n', cwd: folder })
  expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('line 1: it took longer than --timeout') })
  expect(endsOf(join(folder, 'log'))[0]).toMatch(/^1 124 0 /)
  // A process in a session of its own is not in the group.
  const script = `setsid sh -c 'echo $$ > pid; exec sleep 1000' & until [ -s pid ]; do sleep 0.01; done`
  const left = await run(['run', '--timeout', '1500ms', '--', 'sh', '-c', script, '{}'], { input: '1\n', cwd: folder })
  process.kill(Number(linesOf(join(folder, 'pid'))[0]), 'SIGKILL')
  expect(left).toMatchObject({ code: 1, err: expect.stringContaining('1 ended in') })
})

test('process.exit() of a module is no end of a batch: it is said, and the log has what was done', async () => {
  const folder = scratch()
  // The second one ends it when the third has been logged. It is in a process of its own: only the log tells it.
  const source = `import { readFileSync } from 'node:fs'
  const isLogged = (n) => readFileSync('log', 'utf8').includes('\\n' + n + '\\t')
  export default async (n) => {
    if (n !== 2) return n
    while (!isLogged(3)) await new Promise((resolve) => setTimeout(resolve, 5))
    process.exit(0)
  }`
  const args = ['run', moduleOf(source, folder), '-j', '2', '-k', '--joblog', 'log']
  const ended = await run(args, { input: '1\n2\n3\n', cwd: folder })
  // What was held back for its place has been done.
  expect(ended).toMatchObject({ code: 1, out: '1\n3\n' })
  expect(ended.err).toBe(
    'triage-queue: process.exit(0) was called before all was done\ntriage-queue: 1 job of those that were read was not done\n',
  )
  expect(endsOf(join(folder, 'log'))).toEqual(['1 0 0 1', '3 0 0 3'])
  const loaded = await run(['run', moduleOf('process.exit(0)')], { input: '1\n' })
  expect(loaded).toMatchObject({ code: 1, err: 'triage-queue: process.exit(0) was called before all was done\n' })
  const other = await run(['run', moduleOf('export default () => process.exit(7)')], { input: '1\n' })
  expect(other).toMatchObject({ code: 7, err: expect.stringContaining('process.exit(7) was called') })
})

test.skipIf(!existsSync('/dev/full'))('a stdout that can not be written is one line, for each command', async () => {
  const said = "triage-queue: stdout can't be written: the disk is full\n"
  const folder = scratch()
  for (const command of ['size --rate 10 --run 1s', 'doctor', 'run --help', 'completion bash']) {
    expect(await shell(`$TQ ${command} > /dev/full`)).toEqual({ code: 1, signal: null, out: '', err: said })
  }
  const line = "seq 3 | $TQ run -j 1 --joblog log -- sh -c 'echo $1 >> done; echo $1' _ {} > /dev/full"
  expect(await shell(line, { cwd: folder })).toEqual({ code: 1, signal: null, out: '', err: said })
  // What nobody has seen is run again.
  expect(endsOf(join(folder, 'log'))).toEqual([])
  // Nothing was to be written there.
  expect(await shell('$TQ size --rate x > /dev/full')).toMatchObject({ code: 2 })
  // Who has read enough still learns how it ended.
  const piped = '($TQ size --rate 10 --run 1s --memory 1kB; echo $? > code) | true'
  expect(await shell(piped, { cwd: folder })).toMatchObject({ out: '', err: '' })
  await until(() => linesOf(join(folder, 'code')).length === 1)
  expect(linesOf(join(folder, 'code'))).toEqual(['99'])
})

test('a reader that stands still: no more is done than it takes, what is logged has reached it, and a signal ends it', async () => {
  const folder = scratch()
  moduleOf(
    `import { appendFileSync } from 'node:fs'
    export default async (n) => {
      appendFileSync('begun', n + '\\n')
      return 'x'.repeat(10_000)
    }`,
    folder,
  )
  writeFileSync(join(folder, 'list'), Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join(''))
  const program = `sh -c 'echo $$ > pid; exec $TQ run work.mjs -q -j 2 -a list --joblog log --grace 1ms'; echo $? > code`
  const ended = shell(`{ ${program}; } | { until [ -e go ]; do sleep 0.01; done; cat > out; }`, { cwd: folder })
  const [begun, code] = [join(folder, 'begun'), join(folder, 'code')]
  await until(() => linesOf(begun).length > 3)
  const pid = Number(linesOf(join(folder, 'pid'))[0])
  process.kill(pid, 'SIGTERM')
  await until(() => linesOf(code).length === 1 || linesOf(begun).length > 1_000)
  writeFileSync(join(folder, 'go'), '')
  await ended
  expect(linesOf(code)).toEqual(['143'])
  // A pipe holds six of them.
  expect(linesOf(begun).length).toBeLessThan(20)
  expect(endsOf(join(folder, 'log')).length).toBeLessThanOrEqual(linesOf(join(folder, 'out')).length)
})

test('a job log is written by one run at a time; a SIGKILL leaves nothing that has to be tidied up', async () => {
  const folder = scratch()
  const script = 'echo $1 >> begun; until [ -e go ]; do sleep 0.01; done'
  const args = ['run', '-j', '1', '--resume', '--joblog']
  const command = ['--', 'sh', '-c', script, '_', '{}']
  const first = start([...args, 'log', ...command], { input: '1\n2\n', cwd: folder })
  await until(() => linesOf(join(folder, 'begun')).length === 1)
  // By whatever name.
  mkdirSync(join(folder, 'sub'))
  for (const name of ['log', 'sub/../log']) {
    const second = await run([...args, name, ...command], { input: '1\n2\n', cwd: folder })
    expect(second).toMatchObject({ code: 3, out: '' })
    expect(second.err).toMatch(/^triage-queue: \S+\/log is in use: another run writes to it\n$/)
  }
  first.child.kill('SIGKILL')
  await first.ended
  writeFileSync(join(folder, 'go'), '')
  const third = await run([...args, 'log', ...command], { input: '1\n2\n', cwd: folder })
  expect(third.code).toBe(0)
  expect(endsOf(join(folder, 'log'))).toHaveLength(2)
  expect(readdirSync(folder).filter((name) => name.startsWith('log'))).toEqual(['log'])
})

test('of several that begin at once one has the log, and each job is done once', async () => {
  const folder = scratch()
  const args = ['run', '-j', '2', '--resume', '--joblog', 'log', '--', 'sh', '-c', 'echo $1 >> done', '_', '{}']
  const input = Array.from({ length: 60 }, (_, i) => `${i}\n`).join('')
  const codes = await Promise.all(
    Array.from({ length: 5 }, async () => {
      let ended = await run(args, { input, cwd: folder })
      while (ended.code === 3) ended = await run(args, { input, cwd: folder })
      return ended.code
    }),
  )
  expect(codes).toEqual([0, 0, 0, 0, 0])
  expect(linesOf(join(folder, 'done'))).toHaveLength(60)
  expect(endsOf(join(folder, 'log'))).toHaveLength(60)
})

test('a job log on a full disk ends the batch, and is whole lines', async () => {
  const folder = scratch()
  // As a full disk does: a part of the line is written, and then none.
  const line = (most: number): string =>
    `trap '' XFSZ; ulimit -f ${most}; seq 200 | NODE_COMPILE_CACHE= $TQ run -q -j 1 --joblog log -- sh -c 'echo "$1" >> /dev/null' _ {}`
  const ended = await shell(line(1), { cwd: folder })
  expect(ended).toMatchObject({
    code: 3,
    err: "triage-queue: The job log can't be written: EFBIG: file too large, write\n",
  })
  const log = readFileSync(join(folder, 'log'), 'utf8')
  expect(log.endsWith('\n')).toBe(true)
  expect(endsOf(join(folder, 'log')).map((each) => each.split(' ')[0])).toEqual(
    Array.from({ length: endsOf(join(folder, 'log')).length }, (_, i) => `${i + 1}`),
  )
  const again = await shell(line(1_000).replace('run -q', 'run --resume -q'), { cwd: folder })
  expect(again.code).toBe(0)
  expect(endsOf(join(folder, 'log'))).toHaveLength(200)
  const none = await shell(line(0).replace('joblog log', 'joblog none'), { cwd: folder })
  expect([none.code, existsSync(join(folder, 'none'))]).toEqual([3, false])
})

test('a directory is no list of jobs, and a log that is no file is refused', async () => {
  for (const [given, what] of [
    ['< /', 'stdin is a directory: there are no lines in it'],
    ['-a /', "/ can't be read: EISDIR: illegal operation on a directory, read"],
  ]) {
    expect(await shell(`$TQ run ${given} -- echo`)).toMatchObject({ code: 3, out: '', err: `triage-queue: ${what}\n` })
  }
  const refused = await run(['run', '--resume', '--joblog', '/dev/null', '--', 'echo'], { input: '1\n' })
  expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining('/dev/null is no file') })
})

test('lines: empty ones, CRLF, no end, a long one; a command that a terminal would obey is shown without that', async () => {
  const input = '\n1\r\n  \n\t\nlast'
  const ended = await run(['run', '-k', '--', 'printf', '%s %s%s\\n', '{#}', '{}', '{}'], { input })
  expect(ended).toMatchObject({ code: 0, out: '2 11\n5 lastlast\n' })
  // What some editors put before all.
  const marked = await run(['run', moduleOf('export default async (n) => n'), '--priority', 'toString'], {
    input: '\ufeff{"n":1}\n',
  })
  expect(marked).toMatchObject({ code: 0, out: '{"n":1}\n' })
  const long = `"${'x'.repeat(20_000_000)}"`
  const sized = await run(['run', moduleOf('export default async (text) => text.length')], {
    input: `${long}\n${long}`,
  })
  expect(sized).toMatchObject({ code: 0, out: '20000000\n20000000\n' })
  const bell = await run(['run', '--', 'sh', '-c', 'exit 1', '_', '{}'], { input: '\x1b[31m\x07\x9b\n' })
  expect(bell.err).toContain(String.raw`line 1: exit 1: sh -c 'exit 1' _ '\x1b[31m\x07\x9b'`)
})

test('a time that no timer can wait for is refused, and so is none', async () => {
  for (const [args, says] of [
    [['--timeout', '1000h'], '--timeout: expected at most 596h, got "1000h"'],
    [['--timeout', '0s'], '--timeout: expected a time greater than 0, got "0s"'],
    [['--grace', '1000h'], '--grace: expected at most 596h, got "1000h"'],
  ] as const) {
    expect(await run(['run', ...args, '--', 'true'], { input: '1\n' })).toMatchObject({
      code: 2,
      err: `triage-queue: ${says}\n`,
    })
  }
})

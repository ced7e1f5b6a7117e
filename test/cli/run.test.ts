/** `triage-queue run`: a batch of commands, or of calls; what a kill, a Ctrl-C and a closed pipe leave behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Estimate } from '../../src/cli/run/progress.ts'
import { faultOf, fixtures, main, root, run, scratch, start } from './support/cli.ts'

const numbers = (count: number): string => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join('')
const sh = (script: string): string[] => ['--', 'sh', '-c', script, '_', '{}']
const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

/** Looks until it is so: what is waited for is in a file, or is another process. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(5)
}

test('a command for each line, several at once; what each writes is in one piece', async () => {
  const ended = await run(['run', '-j', '4', ...sh('echo "a $1"; echo "b $1"')], { input: numbers(40) })
  expect(ended).toMatchObject({ code: 0, err: expect.stringMatching(/^40 done in .*\n$/) })
  const lines = ended.out.split('\n').slice(0, -1)
  const pieces = Array.from({ length: 40 }, (_, i) => lines.slice(2 * i, 2 * i + 2).join())
  expect(pieces.sort()).toEqual(Array.from({ length: 40 }, (_, i) => `a ${i + 1},b ${i + 1}`).sort())
})

test('the placeholders are those of GNU parallel, and a line can not become another command', async () => {
  const input = 'dir/a b.txt\n$(touch pwned); "x"\n'
  const ended = await run(['run', '-k', '--', 'printf', '%s|%s|%s|%s\\n', '{}', '{.}', '{/}', '{#}'], { input })
  expect(ended.out).toBe(
    'dir/a b.txt|dir/a b|a b.txt|1\n$(touch pwned); "x"|$(touch pwned); "x"|$(touch pwned); "x"|2\n',
  )
  const last = await run(['run', '-k', '--colsep', ',', '--', 'echo', '{2}-{1}'], { input: 'a,b\nc,d' })
  expect(last.out).toBe('b-a\nd-c\n')
  expect((await run(['run', '-q', '--', 'echo'], { input: 'x y\n' })).out).toBe('x y\n')
})

test('--keep-order prints in the order of the lines; the most urgent lines go first', async () => {
  const folder = scratch()
  // The first job ends when the last one has begun.
  const script = 'if [ "$1" = 1 ]; then until [ -e go ]; do sleep 0.01; done; fi; [ "$1" = 3 ] && touch go; echo "$1"'
  const kept = await run(['run', '-j', '3', '-k', ...sh(script)], { input: numbers(3), cwd: folder })
  expect(kept.out).toBe('1\n2\n3\n')
  const input = 'low,a\nnormal,b\nurgent,c\n,d\nhigh,e\n'
  const args = ['run', '-j', '1', '--colsep', ',', '--priority', '1', '--', 'echo', '{2}']
  expect((await run(args, { input })).out).toBe('c\ne\nb\nd\na\n')
  // Also where the first line is no job.
  expect((await run(args, { input: 'hgih,x\nlow,a\nurgent,b\n' })).out).toBe('b\na\n')
})

test('a function for each line of JSON: results, failures and priorities', async () => {
  const module = join(scratch(), 'work.mjs')
  writeFileSync(module, `export default async ({ n }) => { if (n === 2) throw new TypeError('two'); return { n } }`)
  const input = '{"n":1}\n{"n":2}\n\nnope\n{"n":3,"tier":"urgent"}\n{"n":4,"tier":"hgih"}\n'
  const ended = await run(['run', module, '-j', '1', '--priority', 'tier'], { input })
  expect(ended).toMatchObject({ code: 1, out: '{"n":3}\n{"n":1}\n' })
  expect(ended.err.split('\n')).toEqual([
    'triage-queue: line 4: it is not JSON',
    'triage-queue: line 6: its priority "hgih" is none of urgent, high, normal, low',
    'triage-queue: line 2: two: {"n":2}',
    expect.stringMatching(/^5 ended in .*: 2 done, 3 failed$/),
    '',
  ])
  const json = await run(['run', module, '--json', '-q', '-k'], { input: '{"n":1}\n{"n":2}' })
  expect(
    json.out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { v: 1, seq: 1, state: 'completed', result: { n: 1 } },
    { v: 1, seq: 2, state: 'failed', error: { name: 'TypeError', message: 'two' } },
  ])
  const configured = `${join(fixtures, 'several.mjs')}#configured`
  const checked = await run(['run', configured], { input: '{"n":1}\n{}\n' })
  expect(checked.out).toBe('{"got":{"n":1,"checked":true}}\n')
  expect(checked.err).toContain('line 2: it does not fit the schema: expected an object with n')
  const made = await run(['run', join(fixtures, 'executor.mjs')], { input: '7\n' })
  expect(made.out).toBe('{"made":7}\n')
})

test('100,000 lines take no more memory than a thousand', async () => {
  const module = join(scratch(), 'same.mjs')
  writeFileSync(module, 'export default async (n) => n')
  // The young generation is bounded, too: however large it has grown, all of it may have to fit into the old one at once.
  const heap = ['--max-old-space-size=40', '--max-semi-space-size=4']
  const child = spawn(process.execPath, [...heap, main, 'run', module, '-q', '-k'], { cwd: root })
  onTestFinished(() => void child.kill('SIGKILL'))
  let sum = 0
  let rest = ''
  child.stdout.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    for (const line of lines) sum += Number(line)
  })
  const ended = once(child, 'close')
  child.stdin.on('error', () => {})
  for (let n = 0; n < 100_000; n += 1_000) {
    const text = Array.from({ length: 1_000 }, (_, i) => `${n + i}\n`).join('')
    if (!child.stdin.write(text)) await Promise.race([once(child.stdin, 'drain'), ended])
  }
  child.stdin.end()
  expect([(await ended)[0], sum]).toEqual([0, (100_000 * 99_999) / 2])
})

test('to go on from the log of a million jobs takes a few bytes for each', async () => {
  const folder = scratch()
  const module = join(folder, 'same.mjs')
  writeFileSync(module, 'export default async (n) => n')
  const all = Array.from({ length: 1_000_000 }, (_, i) => i + 1)
  const row = (n: number): string => `${n}\t:\t1.000\t     0.000\t0\t2\t0\t0\t${n}\n`
  writeFileSync(join(folder, 'log'), `Seq\tHost\n${all.map(row).join('')}`)
  writeFileSync(join(folder, 'list'), all.join('\n'))
  const args = [
    '--max-old-space-size=30',
    '--max-semi-space-size=4',
    main,
    'run',
    module,
    '-a',
    'list',
    '--joblog',
    'log',
    '--resume',
  ]
  const child = spawn(process.execPath, args, { cwd: folder })
  let err = ''
  child.stderr.on('data', (chunk) => (err += chunk))
  expect([(await once(child, 'close'))[0], err]).toEqual([0, expect.stringMatching(/1,000,000 had ended before/)])
})

test('a job that fails is tried again, one that takes too long is ended, and both stand in the log', async () => {
  const folder = scratch()
  const flaky = 'echo x >> "tries-$1"; [ "$(wc -l < "tries-$1")" -ge "$1" ]'
  const args = ['run', '-j', '4', '--retries', '2', '--joblog', 'log', ...sh(flaky)]
  const ended = await run(args, { input: numbers(4), cwd: folder })
  expect(ended.code).toBe(1)
  expect([1, 2, 3, 4].map((n) => linesOf(join(folder, `tries-${n}`)).length)).toEqual([1, 2, 3, 3])
  expect(ended.err).toMatch(/^triage-queue: line 4: exit 1 \(3 attempts\): sh -c /m)
  expect(ended.err).toMatch(/^4 ended in .*: 3 done, 1 failed$/m)
  const rows = linesOf(join(folder, 'log')).map((line) => line.split('\t'))
  expect(rows[0]).toEqual(['Seq', 'Host', 'Starttime', 'JobRuntime', 'Send', 'Receive', 'Exitval', 'Signal', 'Command'])
  const ends = rows.slice(1).map(([seq, host, , , , , exit, signal]) => [seq, host, exit, signal].join())
  expect(ends.sort()).toEqual(['1,:,0,0', '2,:,0,0', '3,:,0,0', '4,:,1,0'])
  const slow = await run(['run', '--timeout', '50ms', '--joblog', 'slow', '--', 'sleep', '{}'], {
    input: '1000\n',
    cwd: folder,
  })
  expect(slow.code).toBe(1)
  expect(slow.err).toContain('line 1: it took longer than --timeout: sleep 1000')
  expect(linesOf(join(folder, 'slow')).at(-1)?.split('\t').slice(6)).toEqual(['0', '15', 'sleep 1000'])
})

test('--halt: nothing new is started, or what runs is ended', async () => {
  const soon = await run(['run', '-j', '1', '--halt', 'soon,fail=2', '--', 'false'], { input: numbers(50) })
  expect(soon).toMatchObject({ code: 1, err: expect.stringMatching(/^2 ended in .*: 0 done, 2 failed$/m) })
  const folder = scratch()
  const script = 'if [ "$1" = 1 ]; then sleep 1000; else exit 3; fi'
  const now = await run(['run', '-j', '2', '--halt', 'now,fail=1', '--joblog', 'log', ...sh(script)], {
    input: numbers(9),
    cwd: folder,
  })
  expect(now.code).toBe(1)
  expect(linesOf(join(folder, 'log'))).toHaveLength(2)
})

test('SIGKILL in the middle, then --resume: each command succeeds exactly once, but for those that ran at the kill', async () => {
  const folder = scratch()
  const [trace, log] = [join(folder, 'trace'), join(folder, 'log')]
  const script = `echo "begin $1" >> trace; sleep 0.0$(($1 % 5)); echo "end $1" >> trace`
  const args = ['run', '-j', '4', '--joblog', 'log', ...sh(script)]
  const input = numbers(120)
  const first = start(args, { input, cwd: folder })
  await until(() => linesOf(log).length > 30)
  first.child.kill('SIGKILL')
  await first.ended
  // What it had started goes on without it.
  const begun = (word: string): string[] => linesOf(trace).filter((line) => line.startsWith(word))
  await until(() => begun('begin').length === begun('end').length)
  const logged = new Set(
    linesOf(log)
      .slice(1)
      .map((line) => line.split('\t')[0]),
  )
  const atKill = begun('end')
    .map((line) => line.slice(4))
    .filter((seq) => !logged.has(seq))
  expect(logged.size).toBeLessThan(120)
  expect(atKill.length).toBeLessThanOrEqual(4)
  const again = await run([...args.slice(0, 5), '--resume', ...args.slice(5)], { input, cwd: folder })
  expect(again).toMatchObject({ code: 0, err: expect.stringContaining(`${logged.size} had ended before`) })
  const times = (seq: number): number => begun('end').filter((line) => line === `end ${seq}`).length
  const all = Array.from({ length: 120 }, (_, i) => i + 1)
  expect(all.filter((seq) => times(seq) !== (atKill.includes(`${seq}`) ? 2 : 1))).toEqual([])
  const whole = await run([...args.slice(0, 5), '--resume', ...args.slice(5)], { input, cwd: folder })
  expect(whole.err).toMatch(/^0 done in .*; 120 had ended before\n$/)
})

test('--resume: a line that was cut counts as none, --resume-failed runs what has failed again, another list is refused', async () => {
  const folder = scratch()
  const log = join(folder, 'log')
  const args = (...more: string[]): string[] => [
    // One at a time, so that the last line of the log is that of the last job.
    ...['run', '-j', '1', '-q', '--joblog', 'log'],
    ...more,
    ...sh('echo "$1"; [ -e ok ] || [ "$1" != 2 ]'),
  ]
  expect(await run(args(), { input: numbers(3), cwd: folder })).toMatchObject({ code: 1, out: '1\n2\n3\n' })
  writeFileSync(log, readFileSync(log, 'utf8').replace(/\n[^\n]*\n$/, '\n3\t:\t17'))
  expect(await run(args('--resume'), { input: numbers(4), cwd: folder })).toMatchObject({ code: 0, out: '3\n4\n' })
  writeFileSync(join(folder, 'ok'), '')
  expect(await run(args('--resume-failed'), { input: numbers(4), cwd: folder })).toMatchObject({ code: 0, out: '2\n' })
  expect(await run(args('--resume-failed'), { input: numbers(4), cwd: folder })).toMatchObject({ code: 0, out: '' })
  const other = await run(args('--resume'), { input: 'a\nb\n', cwd: folder })
  expect(other).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('log is of other jobs: its number 1 was not'),
  })
  const none = await run(args(), { input: numbers(3), cwd: folder })
  expect(none).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('log is there already: --resume goes on from it'),
  })
})

/** Is it gone, or dead and not yet collected by its parent? */
function isGone(pid: string): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

test('Ctrl-C: the first lets the running jobs end; the second ends them, with all that they have started', async () => {
  const folder = scratch()
  const gentle = start(
    ['run', '-j', '2', '--joblog', 'log', ...sh('echo "$1" >> begun; until [ -e go ]; do sleep 0.01; done')],
    {
      input: numbers(9),
      cwd: folder,
    },
  )
  await until(() => linesOf(join(folder, 'begun')).length === 2)
  gentle.child.kill('SIGINT')
  await gentle.says(/SIGINT: 2 jobs may end within 10\.0 s; once more to end them/, 'err')
  writeFileSync(join(folder, 'go'), '')
  expect(await gentle.ended).toMatchObject({
    code: 130,
    err: expect.stringMatching(/7 jobs of those .* were not done\n2 done/),
  })
  expect(linesOf(join(folder, 'log'))).toHaveLength(3)

  // One of them does not hear of SIGTERM, and has a child of its own.
  const script = `[ "$1" = 1 ] && trap '' TERM; sleep 1000 & echo "$$ $!" >> pids; wait; sleep 1000`
  const hard = start(['run', '-j', '3', '--joblog', 'hard', ...sh(script)], { input: numbers(9), cwd: folder })
  await until(() => linesOf(join(folder, 'pids')).length === 3)
  hard.child.kill('SIGINT')
  await hard.says(/3 jobs may end/, 'err')
  hard.child.kill('SIGINT')
  expect((await hard.ended).code).toBe(130)
  const pids = linesOf(join(folder, 'pids')).flatMap((line) => line.split(' '))
  expect(pids).toHaveLength(6)
  expect(pids.filter((pid) => !isGone(pid))).toEqual([])
  expect(linesOf(join(folder, 'hard'))).toHaveLength(1)
})

test('a pipe that is closed is quiet, and ends what runs', async () => {
  const folder = scratch()
  // The first one runs on; the others go on writing, whenever the reader has gone.
  const command = `"$NODE" "$MAIN" run -j 2 -- sh -c 'echo $$ >> pids; echo "$1"; [ "$1" != 1 ] || sleep 1000' _ {} | head -2`
  const env = { ...process.env, NODE: process.execPath, MAIN: main }
  const child = spawn('sh', ['-c', command], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const told = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (told.out += chunk))
  child.stderr.on('data', (chunk) => (told.err += chunk))
  child.stdin.end(numbers(5_000))
  await once(child, 'close')
  expect(told.err).toBe('')
  expect(told.out.split('\n')).toHaveLength(3)
  expect(linesOf(join(folder, 'pids')).filter((pid) => !isGone(pid))).toEqual([])
})

/** In a terminal of so many columns: what is written there. */
async function inTerminal(columns: number, command: string, env: Record<string, string> = {}): Promise<string> {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/NO_COLOR|FORCE_COLOR/.test(name)),
  )
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 24; ${command}`, '/dev/null'], {
    env: { ...inherited, TERM: 'xterm', NODE: process.execPath, MAIN: main, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  await once(child, 'close')
  return out
}

test('in a terminal the progress is never wider than it; with NO_COLOR there is no escape byte, nor without a terminal', async () => {
  const folder = scratch()
  writeFileSync(join(folder, 'input'), numbers(160))
  const command = `"$NODE" "$MAIN" run -j 4 -a ${folder}/input -- sh -c 'sleep 0.02; [ "$1" != 7 ]' _ {}`
  for (const columns of [40, 20]) {
    const out = await inTerminal(columns, command, { NO_COLOR: '1' })
    expect(out).toMatch(/\d+\/160 (done|ended)/)
    expect(out).not.toContain('\x1b')
    const drawn = out.split(/[\r\n]/).filter((text) => /done|ended/.test(text) && !/ in /.test(text))
    expect(drawn.length).toBeGreaterThan(1)
    expect(drawn.filter((text) => [...text].length >= columns)).toEqual([])
  }
  const piped = await run(['run', '-j', '4', '-a', `${folder}/input`, '--', 'false'])
  expect([...(piped.out + piped.err)].filter((char) => char === '\r' || char === '\x1b')).toEqual([])
})

test('where stdin is a terminal it is said that lines are read from there; not with -q, nor from a file', async () => {
  const said = 'triage-queue: reads lines from here; Ctrl-D ends'
  expect(await inTerminal(80, '"$NODE" "$MAIN" run -- echo')).toContain(said)
  expect(await inTerminal(80, '"$NODE" "$MAIN" run -q -- echo')).not.toContain(said)
  expect(await inTerminal(80, '"$NODE" "$MAIN" run -a /dev/null -- echo')).not.toContain(said)
})

test('the time that is left counts down while jobs run, and is not told when it is over', () => {
  const estimate = new Estimate(0)
  const left = (now: number, succeeded: number) =>
    estimate.leftMs(now, { succeeded, failed: 0, before: 5, expected: 45 })
  expect(left(200, 0)).toBeUndefined()
  expect([10_000, 15_000, 19_900].map((now) => left(now, 4))).toEqual([90_000, 85_000, 80_100])
  expect([20_000, 40_000].map((now) => left(now, 8))).toEqual([80_000, 60_000])
  expect(left(100_001, 8)).toBeUndefined()
  expect(left(101_000, 40)).toBe(0)
})

test('what is wrong is said in one line, before anything is run', async () => {
  const cases: [args: string[], code: number, says: string][] = [
    [['run'], 2, 'What shall it run? A command behind --, or a module'],
    [['run', 'sha256sum', '{}'], 2, 'Put -- before the command: triage-queue run -- sha256sum {}'],
    [['run', '--'], 2, 'There is no command behind --'],
    [['run', '--', 'no-such-command'], 3, 'There is no command no-such-command in PATH'],
    [['run', '--', './nothing'], 3, "./nothing can't be executed"],
    [['run', 'gone.mjs'], 3, 'There is no file gone.mjs'],
    [['run', '-a', 'gone.txt', '--', 'echo'], 3, 'There is no file gone.txt'],
    [['run', '--resume', '--', 'echo'], 2, '--resume needs the file: --joblog'],
    [['run', '--joblog', '/nowhere/log', '--', 'echo'], 3, "The job log can't be written: ENOENT"],
    [['run', '--joblog', main, '--resume', '--', 'echo'], 2, 'is no job log'],
    [['run', '--priority', 'x', '--', 'echo'], 2, '--priority: for a command it is the number of a column'],
    [['run', '--halt', 'later', '--', 'echo'], 2, "--halt: expected never, or when and after what: 'now,fail=1'"],
    [['run', '--jobs', '0', '--', 'echo'], 2, '--jobs: expected an integer from 1 to 100000'],
  ]
  for (const [args, code, says] of cases) {
    const fault = await faultOf(args)
    expect(fault.says).toContain(says)
    expect(fault.says).not.toContain('\n')
    expect(fault.code, says).toBe(code)
  }
  // The same from outside.
  const [[args, code, says]] = cases as [(typeof cases)[0]]
  const ended = await run(args, { input: '1\n' })
  expect(ended).toMatchObject({ code, out: '', err: expect.stringMatching(/^triage-queue: [^\n]+\n$/) })
  expect(ended.err).toContain(says)
})

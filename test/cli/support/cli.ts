/** The program as a process of its own, from the sources; its lines are waited for, never the time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'
import { Fault } from '../../../src/cli/fault.ts'
import { runProgram } from '../../../src/cli/program.ts'

// Real processes, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 60_000 })

export const root = fileURLToPath(new URL('../../..', import.meta.url))
export const main = join(root, 'src/cli/main.ts')
export const fixtures = join(root, 'test/cli/fixtures')
const fromSource = join(root, 'test/support/from-source.ts')

/** What Node has made of the sources: without it a process takes several times as long to begin. */
const cache = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/cli-sources') }

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Started {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly out: string
  readonly err: string
  readonly ended: Promise<Ended>
  /** The first match in what it has written, or writes. */
  says(pattern: RegExp, where?: 'out' | 'err'): Promise<RegExpExecArray>
}

export interface StartOptions {
  readonly input?: string | Buffer | undefined
  /** Its stdin stays open, for whoever writes to `child.stdin`. */
  readonly open?: boolean | undefined
  readonly env?: Record<string, string> | undefined
  readonly cwd?: string | undefined
}

/** Starts it. Whatever a test leaves behind is ended with it. */
export function start(args: readonly string[], { input, open, env, cwd = root }: StartOptions = {}): Started {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TRIAGE_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|VITEST)/.test(name)),
  )
  const child = spawn(process.execPath, ['--import', fromSource, main, ...args], {
    cwd,
    env: { ...inherited, ...cache, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.on('error', () => {})
  if (open !== true) child.stdin.end(input ?? '')
  const told = { out: '', err: '' }
  const waiting = new Set<() => void>()
  const hears = (where: 'out' | 'err') => (chunk: Buffer) => {
    told[where] += chunk.toString()
    for (const look of waiting) look()
  }
  child.stdout.on('data', hears('out'))
  child.stderr.on('data', hears('err'))
  let isOver = false
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      isOver = true
      for (const look of waiting) look()
      resolve({ code, signal, ...told })
    })
  })
  return {
    child,
    get out() {
      return told.out
    },
    get err() {
      return told.err
    },
    ended,
    says: (pattern, where = 'out') =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(told[where])
          if (match === null && !isOver) return
          waiting.delete(look)
          if (match !== null) resolve(match)
          else reject(new Error(`It has ended and never said ${pattern}:\n${told.out}\n${told.err}`))
        }
        waiting.add(look)
        look()
      }),
  }
}

/** Runs it to its end. */
export function run(args: readonly string[], options?: StartOptions): Promise<Ended> {
  return start(args, options).ended
}

/** A line for `sh`, in which `$TQ` is the program. */
export async function shell(line: string, { cwd = root, env }: StartOptions = {}): Promise<Ended> {
  const TQ = `${process.execPath} --import ${fromSource} ${main}`
  const child = spawn('sh', ['-c', line], { cwd, env: { ...process.env, ...cache, TQ, ...env }, stdio: 'pipe' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const told = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (told.out += chunk))
  child.stderr.on('data', (chunk) => (told.err += chunk))
  child.stdin.end()
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, ...told }
}

/** What is wrong with a command line, without a process of its own: what it would say, and end with. */
export async function faultOf(args: readonly string[]): Promise<{ readonly says: string; readonly code: number }> {
  const error: unknown = await runProgram(args).then(
    (code) => new Error(`it has ended with ${code}`),
    (thrown: unknown) => thrown,
  )
  if (error instanceof Fault) return { says: error.message, code: error.exitCode }
  throw error
}

/** A folder for a test, gone after it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triage-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A service of a fixture, on ports that were free. */
export async function serve(module: string, args: readonly string[] = [], options: StartOptions = {}) {
  const process = start(['serve', module, '--port', '0', '--json', ...args], options)
  const [line] = await process.says(/^\{.*\}$/m)
  const { url, submitUrl, token, metricsUrl, queue } = JSON.parse(line) as Record<string, string>
  return { process, url, submitUrl, token, metricsUrl, queue } as {
    process: Started
    url: string
    submitUrl: string
    token: string
    metricsUrl: string
    queue: string
  }
}

/** One call of a service. */
export async function call(
  url: string,
  {
    token,
    body,
    headers,
    method,
  }: { token?: string; body?: unknown; headers?: Record<string, string>; method?: string } = {},
) {
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  return { status: response.status, text, body: (isJson ? JSON.parse(text) : undefined) as any }
}

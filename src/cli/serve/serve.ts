/**
 * `serve`: a service around a function, from the shell. Everything that can be wrong is looked at before anything is begun; a signal
 * drains it.
 */
import type { HttpApp, Listening } from '../../http/index.ts'
import type { QueuedExecutor, QueuedExecutorOptions } from '../../index.ts'
import type { SqliteStore } from '../../sqlite/index.ts'
import { type Call, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { cannot, codeOf, messageOf, usage } from '../fault.ts'
import { type Loaded, loadModule } from '../module.ts'
import { painter, print, printJson, say } from '../output.ts'
import { choice, duration, integer, names, text } from '../parse.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { version } from '../version.ts'
import { count, plural, shellWord, duration as shownDuration } from '../words.ts'
import { listenForMetrics, portFault, requirePort } from './ports.ts'
import { readTokens, type Tokens } from './tokens.ts'

const flags = {
  workers: option('-w, --workers <n>', 'how many calls of the function run at once', integer(1), 5),
  maxQueueSize: option('--max-queue-size <n>', 'how many requests may wait; 0: any number', integer(0), 10_000),
  whenFull: optional(
    '--when-full <what>',
    'what a full queue does: shed (the request that would start last), reject (the newcomer) or block',
    choice('shed', 'reject', 'block'),
  ),
  db: optional('--db <file>', 'keeps the requests in this SQLite file, so that they survive the process', text),
  port: option('-p, --port <n>', 'where it listens; 0: any port that is free', integer(0, 65_535), 8080),
  metricsPort: optional(
    '--metrics-port <n>',
    '/metrics, /healthz and /readyz on a port of their own, without a token',
    integer(0, 65_535),
  ),
  host: option('--host <address>', 'the address that it listens on', text, '127.0.0.1'),
  hosts: optional('--hosts <names>', 'the names in Host that it answers to, besides its addresses', names),
  tokenFile: optional(
    '--token-file <file>',
    'a token, or a line for each: NAME LEVEL TOKEN (default: TRIAGE_CLI_TOKEN, or one made for this run)',
    text,
  ),
  name: optional('--name <name>', 'what the queue is called (default: the name of the file)', text),
  timeout: optional('--timeout <time>', 'how long one run may take', duration),
  grace: option('--grace <time>', 'how long a signal lets it finish what it has', duration, 10_000),
  threads: optional('--threads <n>', 'runs the function in worker threads', integer(1)),
  shards: optional('--shards <n>', 'several queues side by side, each in a thread of its own', integer(1)),
  json: toggle('--json', 'says where it listens as JSON'),
}

type Chosen = Values<typeof flags>

export const serve = defineCommand({
  name: 'serve',
  summary: 'Puts a priority queue and an HTTP service in front of a function.',
  about: [
    'The module exports a function (request, run) => answer, { executor, options, schema }, or a QueuedExecutor. JavaScript, or TypeScript',
    'where Node strips types. The first SIGINT or SIGTERM lets it finish what it has for --grace; what is left is kept with --db, else',
    'cancelled. The second cuts that short, the third ends it at once. It ends with 0 when all was finished, else with 130 or 143.',
  ].join(' '),
  args: [{ name: '<module>', what: 'the file; ./work.mjs#resize for an export other than the default' }],
  flags,
  examples: [
    ['triage-queue serve ./hash.mjs', 'five calls at once, 10,000 may wait'],
    [
      'triage-queue serve ./hash.mjs --workers 50 --db requests.db --metrics-port 9090',
      'requests survive a crash; a port for Prometheus',
    ],
    [
      'TRIAGE_CLI_TOKEN=$(openssl rand -hex 32) triage-queue serve ./hash.mjs --host 0.0.0.0',
      'for other machines, with a token of your own',
    ],
  ],
  run,
})

async function run(chosen: Chosen, call: Call): Promise<number> {
  if (chosen.threads !== undefined || chosen.shards !== undefined) {
    throw usage('--threads and --shards are not there yet: use --workers')
  }
  const tokens = readTokens(chosen.tokenFile)
  const loaded = await loadModule(call.args[0] as string)
  if (loaded.kind === 'executor') refuseForExecutor(call)
  await requirePort('--port', chosen.port, chosen.host)
  if (chosen.metricsPort !== undefined) await requirePort('--metrics-port', chosen.metricsPort, chosen.host)
  const store = await opened(chosen.db)
  const executor = await made(loaded, chosen, call, store)
  const { app, service, metrics } = await listening(executor, chosen, tokens, store)
  announce({ executor, chosen, tokens, service, example: loaded.example, metricsPort: metrics?.port })
  const exitCode = await untilEnded(executor, chosen)
  await Promise.all([service.close(), metrics?.close()])
  await app.close()
  await store?.close().catch((error: unknown) => say(`triage-queue: ${messageOf(error)}`))
  return exitCode
}

/** An executor that the module has made has its own options. */
function refuseForExecutor({ isGiven }: Call): void {
  const given = ['workers', 'maxQueueSize', 'whenFull', 'db', 'name', 'timeout'].find(isGiven)
  if (given === undefined) return
  const shown = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw usage(`--${shown} is for a function: the module exports an executor, which has options of its own`)
}

async function opened(file: string | undefined): Promise<SqliteStore | undefined> {
  if (file === undefined) return undefined
  const { openStore } = await import('../../sqlite/index.ts')
  try {
    return await openStore(file, { onDamage: ({ message }) => say(`triage-queue: ${message}`) })
  } catch (error) {
    const hint = codeOf(error) === 'TRIAGE_STORE_LOCKED' ? ': end that process, or choose another file with --db' : ''
    throw cannot(messageOf(error) + hint)
  }
}

async function made(
  loaded: Loaded,
  chosen: Chosen,
  { isGiven }: Call,
  store: SqliteStore | undefined,
): Promise<QueuedExecutor> {
  if (loaded.kind === 'executor') return loaded.made
  const { QueuedExecutor } = await import('../../index.ts')
  const { options } = loaded
  // What was said here goes before what the module says, and that before our defaults.
  const pick = <T>(name: string, value: T, own: T | undefined): T => (isGiven(name) ? value : (own ?? value))
  const runTimeoutMs = chosen.timeout ?? options.runTimeoutMs
  const whenFull = chosen.whenFull ?? options.whenFull
  const all: QueuedExecutorOptions = {
    ...options,
    name: pick('name', chosen.name ?? loaded.name, loaded.name),
    concurrency: pick('workers', chosen.workers, options.concurrency),
    maxQueueSize: pick<QueuedExecutorOptions['maxQueueSize']>(
      'maxQueueSize',
      chosen.maxQueueSize,
      options.maxQueueSize,
    ),
    ...(runTimeoutMs !== undefined && { runTimeoutMs }),
    ...(whenFull !== undefined && { whenFull }),
    ...(store !== undefined && { store }),
  }
  try {
    return new QueuedExecutor(loaded.executor, all)
  } catch (error) {
    await store?.close()
    throw usage(messageOf(error))
  }
}

interface Served {
  readonly app: HttpApp
  readonly service: Listening
  readonly metrics: { readonly port: number; close(): Promise<void> } | undefined
}

async function listening(
  executor: QueuedExecutor,
  chosen: Chosen,
  { tokens }: Tokens,
  store: SqliteStore | undefined,
): Promise<Served> {
  const { httpApp, listen } = await import('../../http/index.ts')
  const { host, port, metricsPort, hosts } = chosen
  try {
    const app = httpApp({ queues: executor, auth: { tokens }, ...(hosts !== undefined && { hosts }) })
    const service = await listen(app, { port, host }).catch((error: unknown) => {
      throw portFault(error, '--port', port, host)
    })
    const metrics = metricsPort === undefined ? undefined : await listenForMetrics(app, metricsPort, host)
    return { app, service, metrics }
  } catch (error) {
    await executor.close({ drain: false, graceMs: 0 })
    await store?.close()
    throw error
  }
}

interface Announced {
  readonly executor: QueuedExecutor
  readonly chosen: Chosen
  readonly tokens: Tokens
  readonly service: Listening
  readonly example: unknown
  readonly metricsPort: number | undefined
}

function announce({ executor, chosen, tokens, service, example, metricsPort }: Announced): void {
  const { name, maxWorkers, maxQueueSize } = executor.getStatus()
  // Whoever is told a wildcard address can not go there.
  const base = service.url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//localhost')
  const submitUrl = `${base}/v1/queues/${encodeURIComponent(name)}/requests`
  const metricsUrl = metricsPort === undefined ? undefined : `${base.replace(/:\d+$/, '')}:${metricsPort}/metrics`
  if (chosen.json) {
    const more = { token: tokens.made, metricsUrl, pid: process.pid }
    printJson({ event: 'listening', queue: name, url: base, submitUrl, ...more })
    return
  }
  const paint = painter(process.stdout)
  const waiting = maxQueueSize === null ? 'any number may wait' : `at most ${count(maxQueueSize)} wait`
  const kept = chosen.db === undefined ? 'kept in memory' : `kept in ${chosen.db}`
  const line = (label: string, value: string): string => `  ${paint('dim', label.padEnd(10))}${value}`
  print(
    `${paint('bold', name)}  ${plural(maxWorkers, 'slot')}, ${waiting}, ${kept}  ${paint('dim', `triage-queue ${version()}`)}`,
  )
  print(line('page', `${base}/`))
  if (metricsUrl !== undefined) print(line('metrics', metricsUrl))
  if (tokens.made !== undefined)
    print(
      line('token', `${tokens.made}  ${paint('dim', '(for this run; TRIAGE_CLI_TOKEN or --token-file for your own)')}`),
    )
  print(line('submit', curlLine(submitUrl, tokens.inShell, example)))
}

function curlLine(url: string, token: string, example: unknown): string {
  const body = shellWord(JSON.stringify(example ?? 'hello'))
  const authorization = /[$(]/.test(token) ? `"authorization: Bearer ${token}"` : `'authorization: Bearer ${token}'`
  return `curl -sS -H ${authorization} -H 'content-type: application/json' -H 'prefer: wait=10' -d ${body} ${url}`
}

/** Runs until a signal comes, and what it has is finished, parked or cancelled. */
function untilEnded(executor: QueuedExecutor, { grace, db }: Chosen): Promise<number> {
  return new Promise((resolve) => {
    let by: Signal | undefined
    let wasCut = false
    const cut = (): void => {
      if (wasCut) return
      wasCut = true
      const left = remaining(executor)
      if (left > 0)
        say(
          `triage-queue: ${plural(left, 'request')} ${db === undefined ? 'cancelled' : `kept in ${db} for the next start`}`,
        )
      void executor.close({ drain: false, graceMs: 0 })
    }
    let timer: NodeJS.Timeout | undefined
    const letGo = onSignals({
      first: (signal) => {
        by = signal
        const left = remaining(executor)
        if (left > 0)
          say(
            `triage-queue: ${signal}: finishes ${plural(left, 'request')} within ${shownDuration(grace)}; once more to stop now`,
          )
        void executor.close()
        timer = setTimeout(cut, grace)
      },
      second: cut,
    })
    executor.on('closed', () => {
      clearTimeout(timer)
      letGo()
      // A module may close its executor itself.
      resolve(wasCut && by !== undefined ? exitCodeOf(by) : 0)
    })
  })
}

function remaining(executor: QueuedExecutor): number {
  const { waiting, running, retrying } = executor.getStatus()
  return waiting + running + retrying
}

/**
 * `serve`: a service around a function, from the shell. Everything that can be wrong is looked at before anything is begun; a signal
 * drains it.
 */
import type { HttpApp, Listening } from '../../http/index.ts'
import type { CloseOptions } from '../../index.ts'
import { type Call, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { loadModule } from '../module.ts'
import { painter, print, printJson, say } from '../output.ts'
import { choice, duration, integer, names, text, waitTime } from '../parse.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { version } from '../version.ts'
import { count, plural, shellWord, duration as shownDuration } from '../words.ts'
import { sayFailures } from './failures.ts'
import { type Made, makeExecutor, requireTogether } from './make-executor.ts'
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
  grace: option('--grace <time>', 'how long a signal lets it finish what it has', waitTime, 10_000),
  threads: optional(
    '--threads <n>',
    'runs the function in so many worker threads, for what computes; needs piscina (npm install piscina)',
    integer(1),
  ),
  shards: optional(
    '--shards <n>',
    'so many queues side by side, each in a thread of its own: --workers and --max-queue-size are for each, and so are files of --db, which are for this number',
    integer(1),
  ),
  exposeErrors: toggle(
    '--expose-errors',
    'tells the message of an error to whoever submitted the request, and to operators; otherwise it is on stderr alone',
  ),
  json: toggle('--json', 'says where it listens as JSON'),
}

type Chosen = Values<typeof flags>

export const serve = defineCommand({
  name: 'serve',
  summary: 'Puts a priority queue and an HTTP service in front of a function.',
  about: [
    'The module exports a function (request, run) => answer, { executor, options, schema }, or a QueuedExecutor. JavaScript, or TypeScript',
    'where Node strips types. The first SIGINT or SIGTERM lets it finish what it has for --grace; what is left is kept with --db, else',
    'cancelled. The second cuts that short, the third ends it at once. It ends with 0 when all was finished, else with 130 or 143. Each run',
    'that fails is a line on stderr, at most ten a second.',
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
    ['triage-queue serve ./hash.mjs --expose-errors', 'while you develop: an answer says what the function has thrown'],
  ],
  run,
})

async function run(chosen: Chosen, call: Call): Promise<number> {
  const tokens = readTokens(chosen.tokenFile)
  const spec = call.args[0] as string
  const loaded = await loadModule(spec)
  requireTogether(loaded, chosen, call)
  await requirePort('--port', chosen.port, chosen.host)
  if (chosen.metricsPort !== undefined) await requirePort('--metrics-port', chosen.metricsPort, chosen.host)
  const made = await makeExecutor(spec, loaded, chosen, call)
  const tellHeld = sayFailures(made.executor, (await made.getStatus()).name)
  const { app, service, metrics } = await listening(made, chosen, tokens)
  await announce({ made, chosen, tokens, service, example: loaded.example, metricsPort: metrics?.port })
  const exitCode = await untilEnded(made, chosen)
  tellHeld()
  await Promise.all([service.close(), metrics?.close()])
  await app.close()
  await made.end()
  return exitCode
}

interface Served {
  readonly app: HttpApp
  readonly service: Listening
  readonly metrics: { readonly port: number; close(): Promise<void> } | undefined
}

async function listening(made: Made, chosen: Chosen, { tokens }: Tokens): Promise<Served> {
  const { httpApp, listen } = await import('../../http/index.ts')
  const { host, port, metricsPort, hosts, exposeErrors } = chosen
  try {
    const app = httpApp({
      queues: made.executor,
      auth: { tokens },
      exposeErrors,
      ...(hosts !== undefined && { hosts }),
    })
    const service = await listen(app, { port, host }).catch((error: unknown) => {
      throw portFault(error, '--port', port, host)
    })
    const metrics = metricsPort === undefined ? undefined : await listenForMetrics(app, metricsPort, host)
    return { app, service, metrics }
  } catch (error) {
    await made.close({ drain: false, graceMs: 0 })
    await made.end()
    throw error
  }
}

interface Announced {
  readonly made: Made
  readonly chosen: Chosen
  readonly tokens: Tokens
  readonly service: Listening
  readonly example: unknown
  readonly metricsPort: number | undefined
}

async function announce({ made, chosen, tokens, service, example, metricsPort }: Announced): Promise<void> {
  const { name, maxWorkers, maxQueueSize } = await made.getStatus()
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
function untilEnded(made: Made, { grace, db }: Chosen): Promise<number> {
  return new Promise((resolve, reject) => {
    let by: Signal | undefined
    let wasCut = false
    let timer: NodeJS.Timeout | undefined
    const closed = (): void => {
      clearTimeout(timer)
      letGo()
      resolve(wasCut && by !== undefined ? exitCodeOf(by) : 0)
    }
    const closes = (options?: CloseOptions): void => void made.close(options).then(closed, reject)
    const cut = async (): Promise<void> => {
      if (wasCut) return
      wasCut = true
      const { left, held } = await remaining(made)
      const kept = db === undefined ? 'cancelled' : `kept in ${db} for the next start`
      if (left > 0) say(`triage-queue: ${plural(left, 'request')} ${kept}`)
      else if (held > 0) say(`triage-queue: ${plural(held, 'call')} not waited for any more`)
      closes({ drain: false, graceMs: 0 })
    }
    const letGo = onSignals({
      first: (signal) => {
        by = signal
        timer = setTimeout(() => void cut(), grace)
        void remaining(made).then(({ left, held }) => {
          const within = shownDuration(grace)
          if (left === 0 && held === 0) return
          const what =
            left > 0
              ? `finishes ${plural(left, 'request')} within ${within}`
              : `${plural(held, 'call still runs', 'calls still run')}, for at most ${within}, though nobody waits for an answer`
          say(`triage-queue: ${signal}: ${what}; once more to stop now`)
        })
        closes()
      },
      second: () => void cut(),
    })
    // A module may close its executor itself. Where a signal does, its file has to be closed as well: that is told before.
    made.executor.on('closed', () => {
      if (by === undefined) closed()
    })
  })
}

/** Requests that have not ended, and slots that are held: also by calls whose requests have. */
async function remaining(made: Made): Promise<{ readonly left: number; readonly held: number }> {
  const { waiting, running, retrying, activeWorkers } = await made.getStatus()
  return { left: waiting + running + retrying, held: activeWorkers }
}

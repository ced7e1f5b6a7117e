/**
 * Does a real Prometheus understand what we export, and do the dashboard and the alerts find their data in it?
 *
 * Starts `examples/monitoring/serve.ts` and a Prometheus that scrapes it each second, both on free ports of 127.0.0.1,
 * lets promtool check the scraped text, the configuration and the rules, and then asks Prometheus everything that the
 * dashboard and the alerts ask: each query must bring at least one number. Both processes are ended whatever happens.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../test/support/free-port.ts'

const TIME_LIMIT_MS = 45_000
const STOP_LIMIT_MS = 10_000
const WANTED_SCRAPES = 4
/** Programs of the system, not packages. */
const [PROMETHEUS, PROMTOOL] = ['prometheus', 'promtool'] as const
const examples = join(import.meta.dirname, '..', 'examples', 'monitoring')

interface Dashboard {
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly panels: readonly { readonly title: string; readonly targets?: readonly Target[] }[]
}

interface Target {
  readonly expr: string
  readonly legendFormat: string
}

interface Rule {
  readonly name: string
  readonly query: string
  readonly health: string
  readonly lastError?: string
}

interface Question {
  readonly about: string
  readonly query: string
}

interface Started {
  readonly name: string
  readonly child: ChildProcess
  output: string
}

const deadline = performance.now() + TIME_LIMIT_MS
const scratch = mkdtempSync(join(tmpdir(), 'triage-queue-monitoring-'))
const started: Started[] = []

// Whatever happens: also when this is interrupted itself.
process.once('exit', () => {
  for (const { child } of started) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
})
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

try {
  requireTools()
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ]) {
    promtool(args)
  }
  const metrics = await startServe()
  const prometheus = await startPrometheus(metrics)
  const questions = [...dashboardQuestions(), ...(await alertQuestions(prometheus))]
  let unanswered = 0
  for (const question of questions) if (!(await isAnswered(prometheus, question))) unanswered++
  // Last: by now all that can be in it is there, the reasons of refusals too.
  promtool(['check', 'metrics'], await (await fetch(metrics)).text())
  if (unanswered > 0) throw new Error(`${unanswered} of ${questions.length} queries bring no data`)
  await stopAll()
  console.log(`ok: all ${questions.length} queries of the dashboard and the alerts bring data from a real Prometheus`)
} catch (error) {
  console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}

function requireTools(): void {
  const missing = [PROMETHEUS, PROMTOOL].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
  if (missing.length === 0) return
  throw new Error(`there is no ${missing.join(' and no ')} on the PATH.
On Debian and Ubuntu: apt-get install -y --no-install-recommends prometheus
Elsewhere: https://prometheus.io/download/. A Prometheus that the package has started may be stopped: none is needed.`)
}

function promtool(args: string[], input = ''): void {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { cwd: examples, input, encoding: 'utf8' })
  // It tells of doubtful names on stderr, with whatever status.
  if (status !== 0 || stderr !== '') throw new Error(`promtool ${args.join(' ')} (${status}):\n${stdout}${stderr}`)
  const samples = input === '' ? '' : `, ${input.split('\n').filter((line) => /^[^#]/.test(line)).length} samples`
  console.log(`ok: promtool ${args.join(' ')}${samples}`)
}

async function startServe(): Promise<string> {
  const serve = start('serve.ts', process.execPath, [join(examples, 'serve.ts'), '--port', '0', '--seconds', '120'])
  return await until('serve.ts listens', () => /http:\S+/.exec(serve.output)?.[0])
}

/** Runs it with the example's own configuration: only the address and the intervals are changed. */
async function startPrometheus(metrics: string): Promise<string> {
  const example = readFileSync(join(examples, 'prometheus.yml'), 'utf8')
  const config = example.replace('127.0.0.1:9464', new URL(metrics).host).replace(/(_interval): \d+s/g, '$1: 1s')
  writeFileSync(join(scratch, 'prometheus.yml'), config)
  cpSync(join(examples, 'alerts.yml'), join(scratch, 'alerts.yml'))
  const address = `127.0.0.1:${await freePort()}`
  start('prometheus', PROMETHEUS, [
    `--config.file=${join(scratch, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(scratch, 'data')}`,
    `--web.listen-address=${address}`,
    '--log.level=warn',
  ])
  const url = `http://${address}`
  const scrapes = await until('Prometheus has scraped serve.ts', async () => {
    const up = await ask<{ result: { value: [number, string] }[] }>(url, 'query?query=sum_over_time(up[1m])')
    const count = Number(up?.result[0]?.value[1] ?? 0)
    return count >= WANTED_SCRAPES ? count : undefined
  })
  console.log(`ok: prometheus has scraped serve.ts ${scrapes} times`)
  return url
}

/** What the panels and the variables ask, with everything chosen. */
function dashboardQuestions(): Question[] {
  const { panels, templating }: Dashboard = JSON.parse(readFileSync(join(examples, 'grafana-dashboard.json'), 'utf8'))
  const questions = templating.list.flatMap(({ name, definition }) => {
    if (definition === undefined) return []
    const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? []
    return [{ about: `the variable $${name}`, query: `count by (${label}) (${series})` }]
  })
  for (const { title, targets = [] } of panels) {
    for (const { expr, legendFormat } of targets) {
      questions.push({ about: targets.length > 1 ? `${title} ${legendFormat}` : title, query: expr })
    }
  }
  return questions.map(({ about, query }) => ({
    about,
    query: query.replaceAll('$__rate_interval', '5s').replace(/\$(queue|instance)\b/g, '.+'),
  }))
}

/** What the alerts compare, as Prometheus has read them. */
async function alertQuestions(prometheus: string): Promise<Question[]> {
  const groups = await until('Prometheus has evaluated the alerts', async () => {
    const answer = await ask<{ groups: { rules: Rule[] }[] }>(prometheus, 'rules?type=alert')
    return answer?.groups.every(({ rules }) => rules.every(({ health }) => health !== 'unknown'))
      ? answer.groups
      : undefined
  })
  return groups
    .flatMap(({ rules }) => rules)
    .map(({ name, query, health, lastError }) => {
      if (health !== 'ok') throw new Error(`the alert ${name} is ${health}: ${lastError}`)
      const compared = query.replace(/\s(==|!=|>=|<=|>|<)\s[\d.]+/g, '')
      if (compared === query) throw new Error(`the alert ${name} compares with no number: ${query}`)
      return { about: name, query: compared }
    })
}

/** Asks as Grafana does, for a range of time; some numbers are there only a few seconds after the others. */
async function isAnswered(prometheus: string, { about, query }: Question): Promise<boolean> {
  try {
    const numbers = await until(about, async () => {
      const now = Date.now() / 1_000
      const range = new URLSearchParams({ query, start: String(now - 30), end: String(now), step: '1' })
      const answer = await ask<{ result: { values: [number, string][] }[] }>(prometheus, `query_range?${range}`)
      const found = answer?.result.map(({ values }) => values.map(([, value]) => Number(value)).filter(Number.isFinite))
      const series = found?.filter((values) => values.length > 0) ?? []
      return series.length > 0 ? series : undefined
    })
    const newest = numbers.map((values) => Number((values.at(-1) as number).toPrecision(3))).join(' ')
    console.log(`ok: ${about.padEnd(52)} ${String(numbers.length).padStart(2)} series: ${newest}`)
    return true
  } catch (error) {
    console.error(`NO DATA: ${about}\n  ${query}\n  ${(error as Error).message}`)
    return false
  }
}

/** Undefined while it does not listen yet. */
async function ask<T>(prometheus: string, path: string): Promise<T | undefined> {
  const response = await fetch(`${prometheus}/api/v1/${path}`).catch(() => undefined)
  if (response === undefined || response.status === 503) return undefined
  const { status, error, data } = (await response.json()) as { status: string; error?: string; data: T }
  if (status !== 'success') throw new Error(error)
  return data
}

async function until<T>(what: string, find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    const ended = started.find(({ child }) => child.exitCode !== null || child.signalCode !== null)
    if (ended !== undefined) throw new Error(`${ended.name} has ended:\n${ended.output}`)
    if (performance.now() > deadline) throw new Error(`not within ${TIME_LIMIT_MS / 1_000} s: ${what}`)
    await sleep(200)
  }
}

function start(name: string, command: string, args: string[]): Started {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const entry = { name, child, output: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      entry.output += text
    })
  }
  started.push(entry)
  return entry
}

/** As Ctrl-C would, and both must then end well. */
async function stopAll(): Promise<void> {
  for (const { name, child, output } of started) {
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_LIMIT_MS) })
    child.kill('SIGTERM')
    const [code] = (await exited) as [number | null]
    if (code !== 0) throw new Error(`${name} has ended with ${code}:\n${output}`)
  }
}

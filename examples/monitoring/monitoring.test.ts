/** Do the dashboard, the alerts and the documentation speak of metrics that there are, and does the service run? */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Registry } from 'prom-client'
import { QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { afterAll, describe, expect, test } from 'vitest'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
}

const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8')
const dashboard = read('grafana-dashboard.json')
const alerts = read('alerts.yml')
const documentation = read('../../docs/observability.md')
const exported = exportedNames()

function exportedNames(): string[] {
  const registry = new Registry()
  prometheus(new QueuedExecutor(() => 0), { registry })
  return registry.getMetricsAsArray().map(({ name }) => name)
}

/** The metrics that a text names, without what a histogram's series add. */
function namesIn(text: string): string[] {
  const names = [...text.matchAll(/\btriage_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''))
  return [...new Set(names)].sort()
}

describe('what is named, is exported', () => {
  test.each([
    ['the dashboard', dashboard],
    ['the alerts', alerts],
  ])('%s asks for no metric that is not', (_, text) => {
    expect(namesIn(text).length).toBeGreaterThan(5)
    expect(namesIn(text).filter((name) => !exported.includes(name))).toEqual([])
  })

  test('the documentation explains each metric, and no other', () => {
    expect(namesIn(documentation)).toEqual([...exported].sort())
  })
})

describe('the dashboard', () => {
  const panels: readonly Panel[] = JSON.parse(dashboard).panels
  const charts = panels.filter(({ type }) => type !== 'row')

  test.each(charts.map((panel) => [panel.title, panel] as const))(
    '%s: with a description, a unit and a query',
    (_, panel) => {
      expect(panel.description).toMatch(/\.$/)
      expect(panel.fieldConfig?.defaults.unit).toMatch(/./)
      const queries = panel.targets?.map(({ expr }) => expr) ?? []
      expect(queries.length).toBeGreaterThan(0)
      for (const query of queries) {
        // Each series by what was chosen at the top.
        const series = query.match(/triage_\w+\{[^}]*\}/g) ?? []
        expect(series.length).toBe(query.match(/triage_\w+/g)?.length)
        for (const one of series) expect(one).toContain('{queue=~"$queue", instance=~"$instance"')
      }
    },
  )

  test('no two panels have the same id, or lie on each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })
})

describe('the alerts', () => {
  const names = [...alerts.matchAll(/alert: (\w+)/g)].map(([, name]) => name as string)

  test.each(names)('%s has a chapter to read, and is tested to fire and not to fire', (name) => {
    const [, rule = ''] = alerts.split(`alert: ${name}\n`)
    const [, anchor] = /runbook_url: docs\/observability\.md#(\S+)/.exec(rule) ?? []
    const headings = [...documentation.matchAll(/^### (.+)\n\n\*(\w+)/gm)]
    expect(
      headings.map(([, heading, alert]) => [(heading as string).toLowerCase().replaceAll(' ', '-'), alert]),
    ).toContainEqual([anchor, name])
    const cases = read('alerts.test.yml')
      .split('- alertname: ')
      .filter((one) => one.startsWith(`${name}\n`))
    expect(cases.map((one) => one.includes('exp_labels')).sort()).toEqual([false, true])
  })
})

describe.concurrent('the service', { timeout: 30_000 }, () => {
  const children: ChildProcess[] = []
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL')
  })

  function run(...args: string[]) {
    const child = spawn(process.execPath, [fileURLToPath(new URL('serve.ts', import.meta.url)), ...args])
    children.push(child)
    // 'close', not 'exit': by then all that it has printed is here.
    const ended = once(child, 'close')
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text) => {
        output[stream] += text
      })
    }
    return { child, ended, output }
  }

  test('serves the metrics of both queues, and on SIGINT finishes what it has admitted', async () => {
    const { child, ended, output } = run('--port', '0')
    while (!output.stdout.includes('load ')) await once(child.stdout, 'data')
    const url = /http:\S+/.exec(output.stdout)?.[0] as string
    // Some are there only when there was one: refusals come within a second or two.
    const missing = (text: string): string[] =>
      exported.filter((name) => !new RegExp(`^${name}\\w*\\{.*queue="${shower(name)}".* [\\d.e-]+$`, 'm').test(text))
    // It is the archive that has a store.
    const shower = (name: string): string => (/_store_|_parked_/.test(name) ? 'archive' : 'demo')
    let text = ''
    do text = await (await fetch(url)).text()
    while (missing(text).length > 0 || !/outcome="completed"\} [1-9]/.test(text))
    expect(text).toContain('queue="archive"')
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    expect(output.stderr).toBe('')
    expect(output.stdout).toMatch(/^demo +[1-9]\d* admitted, [1-9]\d* completed, \d+ refused$/m)
    await expect(fetch(url)).rejects.toThrow()
  })

  test.each([
    [['--port', 'http'], "--port must be a whole number from 0 to 65535, but is 'http'"],
    [['--seconds', '-1'], '--seconds'],
    [['--prot', '1'], "Unknown option '--prot'"],
  ])('refuses %j with one clear line and exit code 2', async (args, message) => {
    const { ended, output } = run(...args)
    expect(await ended).toEqual([2, null])
    expect(output.stdout).toBe('')
    expect(output.stderr).toContain(message)
    expect(output.stderr.trim().split('\n')).toHaveLength(1)
  })
})

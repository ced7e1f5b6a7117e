/**
 * Lives that end by SIGKILL, one after the other, and what the store says after each.
 *
 * What takes effect does so in the order of the calls. So the store must be as it is after all that was answered, and perhaps some
 * of the calls after it, in their order, whose answer was never given.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tierOf } from '../../../src/core/priority.ts'
import type { StoredView } from '../../../src/core/store.ts'
import { Engine } from '../../../src/sqlite/engine.ts'
import { filesOf } from '../../../src/sqlite/files.ts'
import { seeded } from '../../support/seeded.ts'
import { settingsFor } from '../support/settings.ts'
import { type Call, describeEntries, type Entry, History } from './history.ts'

/** So many lives use one store. */
const LIVES_OF_A_STORE = 20

export interface CrashReport {
  lives: number
  calls: number
  answered: number
  /** Kills that came inside of a commit. */
  inCommit: number
  /** Lives after which some calls had taken effect whose answer was never given. */
  ahead: number
  slowestOpenMs: number
  problems: string[]
}

export async function crashLoop(
  lives: number,
  seed: number,
  tell: (report: CrashReport) => void = () => {},
): Promise<CrashReport> {
  const report: CrashReport = { lives: 0, calls: 0, answered: 0, inCommit: 0, ahead: 0, slowestOpenMs: 0, problems: [] }
  const random = seeded(seed)
  let folder = ''
  let history = new History()
  try {
    for (let life = 0; life < lives && report.problems.length === 0; life++) {
      if (life % LIVES_OF_A_STORE === 0) {
        if (folder !== '') rmSync(folder, { recursive: true })
        folder = mkdtempSync(join(tmpdir(), 'triage-queue-crash-'))
        history = new History()
      }
      const lifeSeed = Math.floor(random() * 2 ** 31)
      const killAfterMs = random() * 120
      const lines = await live(folder, lifeSeed, killAfterMs)
      report.lives++
      if (readFileSync(join(folder, 'point'), 'utf8') === '1') report.inCommit++
      history = judge(folder, history, lines, report, `seed ${seed}, life ${life}`)
      tell(report)
    }
  } finally {
    if (folder !== '') rmSync(folder, { recursive: true, force: true })
  }
  return report
}

/** One life: all that it has said. */
async function live(folder: string, seed: number, killAfterMs: number): Promise<string[]> {
  const file = join(import.meta.dirname, 'life.ts')
  const files = ['a.db', 'point', 'log'].map((name) => join(folder, name))
  const child = spawn(process.execPath, [file, ...files, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let isReady = false
  child.stdout.once('data', () => {
    isReady = true
    setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
  await new Promise((resolve) => child.on('close', resolve))
  const said = readFileSync(join(folder, 'log'), 'utf8')
  if (!isReady || child.signalCode !== 'SIGKILL')
    throw new Error(`the process ended by itself, after ${said.slice(-500)}`)
  // Its last line may be cut.
  return said.slice(0, said.lastIndexOf('\n')).split('\n')
}

function judge(folder: string, before: History, lines: readonly string[], report: CrashReport, where: string): History {
  const calls: Call[] = []
  const answers = new Map<number, string | undefined>()
  for (const line of lines) {
    const [number, call, answer] = JSON.parse(line)
    if (call === 'answered') answers.set(number, answer ?? undefined)
    else calls.push(call)
  }
  report.calls += calls.length
  report.answered += answers.size
  let mustHave = 0
  for (const number of answers.keys()) mustHave = Math.max(mustHave, number + 1)

  const history = before
  for (const [i, call] of calls.slice(0, mustHave).entries()) {
    const expected = history.apply(call)
    if (answers.has(i) && answers.get(i) !== expected) {
      report.problems.push(`${where}: ${JSON.stringify(call)} was answered ${answers.get(i)}, not ${expected}`)
    }
  }
  const from = performance.now()
  const found = entriesIn(join(folder, 'a.db'), report, where)
  report.slowestOpenMs = Math.max(report.slowestOpenMs, performance.now() - from)
  for (let taken = mustHave; ; taken++) {
    if (isSame(history.describe(), found)) {
      if (taken > mustHave) report.ahead++
      return history
    }
    const next = calls[taken]
    if (next === undefined) break
    history.apply(next)
  }
  report.problems.push(`${where}: the store is not as it must be`, ...difference(history.describe(), found))
  return history
}

/** What the store says when it is opened, before anything is counted as a crash. */
function entriesIn(path: string, report: CrashReport, where: string): string[] {
  const engine = new Engine(filesOf(path), settingsFor(path, { synchronous: 'full' }))
  const { damage } = engine.report
  if (damage.length > 0) report.problems.push(`${where}: ${JSON.stringify(damage)}`)
  const views: StoredView[] = []
  let cursor: string | undefined
  do {
    const page = engine.ask({
      what: 'list',
      queue: undefined,
      query: { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) },
    })
    views.push(...page.records)
    cursor = page.cursor
  } while (cursor !== undefined)
  engine.abandon()
  return describeEntries(
    views.map(({ generation, id, priority, payload, attempts, crashes, state, result }): Entry => {
      const known = {
        seq: generation,
        id,
        tier: tierOf(priority),
        payload: (payload ?? '') as string,
        attempts,
        crashes,
      }
      return { ...known, state: state as Entry['state'], result: (result ?? null) as string | null }
    }),
  )
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i])
}

function difference(expected: readonly string[], found: readonly string[]): string[] {
  const missing = expected.filter((line) => !found.includes(line)).map((line) => `missing: ${line.slice(0, 120)}`)
  const extra = found.filter((line) => !expected.includes(line)).map((line) => `found: ${line.slice(0, 120)}`)
  return [...missing.slice(0, 10), ...extra.slice(0, 10)]
}

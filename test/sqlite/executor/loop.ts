/**
 * Lives of an executor that end by SIGKILL, one after the other on one store, and a last one that finishes what was kept.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded } from '../../support/seeded.ts'
import { Judge, type Line } from './judge.ts'

/** So many lives use one store. */
const LIVES_OF_A_STORE = 10

export interface ExecutorCrashReport {
  lives: number
  acked: number
  runs: number
  /** Attempts after the first one of their request. */
  again: number
  problems: string[]
}

export async function executorCrashLoop(
  lives: number,
  seed: number,
  tell: (report: ExecutorCrashReport) => void = () => {},
): Promise<ExecutorCrashReport> {
  const report: ExecutorCrashReport = { lives: 0, acked: 0, runs: 0, again: 0, problems: [] }
  const random = seeded(seed)
  while (report.lives < lives && report.problems.length === 0) {
    const folder = mkdtempSync(join(tmpdir(), 'triage-queue-executor-crash-'))
    const judge = new Judge()
    const ofThisStore = Math.min(LIVES_OF_A_STORE, lives - report.lives)
    try {
      for (let life = 0; life < ofThisStore; life++) {
        const where = `seed ${seed}, life ${report.lives}`
        judge.life(await live(folder, Math.floor(random() * 2 ** 31), 20 + random() * 200), where)
        report.lives++
        tell(report)
      }
      const where = `seed ${seed}, after life ${report.lives}`
      judge.life(await live(folder, Math.floor(random() * 2 ** 31), undefined), where)
      judge.end(where)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    report.acked += judge.acked
    report.runs += judge.runs
    report.again += judge.again
    report.problems.push(...judge.problems.slice(0, 10))
  }
  return report
}

/** One life: all that it has said. @param killAfterMs undefined: it finishes what was kept, and ends by itself */
async function live(folder: string, seed: number, killAfterMs: number | undefined): Promise<Line[]> {
  const log = join(folder, 'log')
  const args = [join(import.meta.dirname, 'life.ts'), join(folder, 'a.db'), log, String(seed)]
  const isLast = killAfterMs === undefined
  const child = spawn(process.execPath, isLast ? [...args, 'drain'] : args, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.once('data', () => {
    if (!isLast) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
  await new Promise((resolve) => child.on('close', resolve))
  const said = readFileSync(log, 'utf8')
  const hasEnded = isLast ? child.exitCode === 0 : child.signalCode === 'SIGKILL'
  if (!hasEnded)
    throw new Error(`the process ended by ${child.signalCode ?? child.exitCode}, after ${said.slice(-500)}`)
  // Its last line may be cut.
  const whole = said.slice(0, said.lastIndexOf('\n') + 1)
  return whole === ''
    ? []
    : whole
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
}

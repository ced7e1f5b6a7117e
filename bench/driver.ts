/**
 * In what order is it measured? Round by round: in each round every trial once, each in a fresh process, so that a
 * machine that is busy for a while disturbs all of them alike, and no peer runs on code that another has warmed up.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Case } from './case.ts'
import { Results } from './results.ts'
import { stripped } from './stripped.ts'
import type { Outcome, Trial } from './trial.ts'

const LIMIT_MS = 120_000

export interface DriverOptions {
  readonly peers: readonly string[]
  /** In place of the case's own number of rounds. */
  readonly rounds?: number
  /** Only trials whose subject or variant contains this. */
  readonly only?: string
  /** More flags for the Node that measures. */
  readonly flags: readonly string[]
  /** What the measuring process has in its environment. */
  readonly env: { readonly [name: string]: string }
  progress(text: string): void
}

export interface CaseRun {
  readonly results: Results
  /** Trials that did not end well, with the reason. */
  readonly failures: readonly string[]
}

export async function runCase(measured: Case, options: DriverOptions): Promise<CaseRun> {
  const { only = '' } = options
  const all = await measured.trials(options.peers)
  const results = new Results(all.filter(({ subject, variant }) => subject.includes(only) || variant.includes(only)))
  const failures: string[] = []
  const rounds = options.rounds ?? measured.rounds
  for (let round = 0; round < rounds; round++) {
    for (const trial of turned(results.trials, round)) {
      if (results.whySkipped(trial) !== undefined || round >= (trial.rounds ?? rounds)) continue
      options.progress(`${measured.name}, round ${round + 1} of ${rounds}: ${trial.variant}, ${trial.subject}`)
      try {
        results.add(trial, await runChild(measured, trial, options))
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        failures.push(`${measured.name}, ${trial.variant}, ${trial.subject}: ${why}`)
        results.skip(trial, `failed: ${why}`)
      }
    }
  }
  return { results, failures }
}

/** Each round begins with another trial. */
function turned(trials: readonly Trial[], round: number): Trial[] {
  const from = trials.length === 0 ? 0 : (round * 3) % trials.length
  return [...trials.slice(from), ...trials.slice(0, from)]
}

export async function runChild(measured: Case, trial: Trial, options: DriverOptions): Promise<Outcome> {
  const flags = [...(measured.flags ?? []), ...options.flags]
  const file = flags.includes('--jitless') ? stripped('child.ts') : join(import.meta.dirname, 'child.ts')
  const child = spawn(process.execPath, [...flags, file, measured.name, trial.variant, trial.subject], {
    stdio: ['ignore', 'inherit', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  try {
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve(signal ?? String(code)))
    })
    const [outcome, stderr, status] = await Promise.all([
      text(child.stdio[3] as Readable),
      text(child.stderr as Readable),
      ended,
    ])
    if (status === 'SIGKILL') throw new Error(`took more than ${LIMIT_MS / 1_000} s`)
    if (outcome === '') throw new Error(`ended with ${status} and no outcome. ${reasonIn(stderr)}`)
    return JSON.parse(outcome) as Outcome
  } finally {
    clearTimeout(timer)
  }
}

/** The line of a crash that says why. */
function reasonIn(stderr: string): string {
  const lines = stderr.trim().split('\n')
  return lines.find((line) => /^\w*Error\b|FATAL/.test(line)) ?? lines.at(-1) ?? ''
}

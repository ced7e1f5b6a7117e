/**
 * A Node process with a time limit: a bug may make it hang, without ever giving us a turn.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface Ended {
  /** The exit code; null: it was killed. */
  readonly code: number | null
  readonly hangs: boolean
  readonly stderr: string
}

/** Runs a Node program from the root of the package; over its time limit it is killed, and all that it has started. */
export function runNode(args: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that its workers die with it.
    const child = spawn(process.execPath, ['--no-warnings', ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    let hangs = false
    let stderr = ''
    const timer = setTimeout(() => {
      hangs = true
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, limitMs)
    child.stderr.on('data', (text) => {
      stderr = (stderr + text).slice(-4_000)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, hangs, stderr })
    })
  })
}

/** A folder for the answers of a process, for as long as `use` needs it. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'triage-mutants-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

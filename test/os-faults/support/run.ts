/**
 * A process whose disk fails.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { makeControl } from './control.ts'

export interface RunOptions {
  readonly library: string
  /** Where its store is. Default: a folder that is gone afterwards. */
  readonly folder?: string
  /** How many files it may have open. */
  readonly maxFiles?: number
  /** Told what it says, a line of JSON each. */
  readonly heard?: (line: never) => void
}

/** Runs a program of this folder with a folder, a control and more arguments. @returns its exit code, or the signal it died of */
export async function run(program: string, more: readonly string[], options: RunOptions): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'triage-queue-faults-'))
  try {
    const folder = options.folder ?? join(home, 'store')
    const control = join(home, 'control')
    mkdirSync(folder, { recursive: true })
    makeControl(control)
    const limit = options.maxFiles === undefined ? '' : `ulimit -n ${options.maxFiles}; `
    const command = ['-c', `${limit}exec "$@"`, 'sh', process.execPath, join(import.meta.dirname, program)]
    const child = spawn('sh', [...command, folder, control, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LD_PRELOAD: options.library, FAULTS_UNDER: folder, FAULTS_CONTROL: control },
    })
    const ended = new Promise<string>((resolve) => child.on('close', (code, signal) => resolve(`${signal ?? code}`)))
    const complaint = text(child.stderr)
    for await (const line of createInterface({ input: child.stdout })) options.heard?.(JSON.parse(line) as never)
    const end = await ended
    return end === '0' ? end : `${end}: ${await complaint}`
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

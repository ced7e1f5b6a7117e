/**
 * What importing the library costs at the start of a process, against `budget.json`. (size-limit checks the size.)
 *
 * A bare process and one that imports the built entry take turns, and their quickest runs are compared: whatever else
 * the machine does can only make a run slower, so the minimum is what the import itself costs. On a machine that is busy it takes
 * more runs until one of each was left alone.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import budget from '../budget.json' with { type: 'json' }

const ROUNDS = 21
const MOST_ROUNDS = 105

const { entry, maxImportMs } = budget.core
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'triage-queue-budget-'))

try {
  const bare = join(folder, 'bare.mjs')
  const importing = join(folder, 'importing.mjs')
  writeFileSync(bare, '')
  writeFileSync(importing, `import ${JSON.stringify(pathToFileURL(join(root, entry)).href)}\n`)

  // One round of each that does not count: it brings the files into the disk cache.
  runMs(bare)
  runMs(importing)
  const bareMs: number[] = []
  const importingMs: number[] = []
  const costOf = (): number => Math.min(...importingMs) - Math.min(...bareMs)
  while (importingMs.length < ROUNDS || (costOf() > maxImportMs && importingMs.length < MOST_ROUNDS)) {
    bareMs.push(runMs(bare))
    importingMs.push(runMs(importing))
  }

  const costMs = costOf()
  console.log(`bare Node ${process.version}: ${describe(bareMs)}`)
  console.log(`importing ${entry}: ${describe(importingMs)}`)
  console.log(`import cost: ${costMs.toFixed(1)} ms, budget ${maxImportMs} ms`)
  if (costMs > maxImportMs) {
    console.error(`FAILED: importing ${entry} costs more than budget.json grants`)
    process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function runMs(file: string): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  const tookMs = performance.now() - start
  if (status !== 0) throw new Error(`node ${file} ended with ${status}: ${stderr}`)
  return tookMs
}

function describe(valuesMs: number[]): string {
  const min = Math.min(...valuesMs).toFixed(1)
  const max = Math.max(...valuesMs).toFixed(1)
  return `median ${median(valuesMs).toFixed(1)} ms (${min} to ${max}, ${valuesMs.length} runs)`
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

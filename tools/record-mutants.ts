/**
 * What the mutants of `src/core` came to, file by file, in `test/mutants/stryker.json`: from the results that Stryker keeps
 * in `coverage/`, for each file that is still what it was when its mutants ran.
 *
 *     npm run mutate -- --mutate 'src/core/queue/*.ts' && node tools/record-mutants.ts src/core/queue/*.ts
 *
 * Name the files of a run that has come to its end; of one that was interrupted Stryker keeps what it has. Without names: all.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Mutant {
  status: 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'RuntimeError' | 'CompileError' | 'Ignored'
}

interface Report {
  files: Record<string, { source: string; mutants: Mutant[] }>
}

interface Score {
  /** Of the source that was mutated, so that anyone can tell whether the numbers are still its own. */
  sha256: string
  mutants: number
  killed: number
  timeout: number
  survived: number
  noCoverage: number
  /** Percent of the mutants that the tests told from the original. */
  score: number
}

interface Scores {
  date: string
  node: string
  command: string
  files: Record<string, Score>
}

const root = fileURLToPath(new URL('../', import.meta.url))
const scoresFile = `${root}test/mutants/stryker.json`
const report: Report = JSON.parse(readFileSync(`${root}coverage/mutants/incremental.json`, 'utf8'))
const before: Scores | undefined = existsSync(scoresFile) ? JSON.parse(readFileSync(scoresFile, 'utf8')) : undefined

const named = process.argv.slice(2)
const files = new Map<string, Score>()
for (const [file, score] of Object.entries(before?.files ?? {})) {
  if (isStill(file, score.sha256)) files.set(file, score)
  else console.log(`${file} has changed since its mutants ran`)
}
for (const [file, { source, mutants }] of Object.entries(report.files)) {
  if (named.length > 0 && !named.includes(file)) continue
  if (isStill(file, sha256(source))) files.set(file, scoreOf(source, mutants))
}

const scores: Scores = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  command: 'npm run mutate',
  files: Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1))),
}
writeFileSync(scoresFile, `${JSON.stringify(scores, null, 2)}\n`)

for (const [file, { mutants, survived, noCoverage, score }] of Object.entries(scores.files)) {
  console.log(`${score.toFixed(2).padStart(6)} %  ${file}: ${survived + noCoverage} of ${mutants} survive`)
}

function isStill(file: string, hash: string): boolean {
  return existsSync(root + file) && sha256(readFileSync(root + file, 'utf8')) === hash
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function scoreOf(source: string, mutants: readonly Mutant[]): Score {
  const count = (status: Mutant['status']) => mutants.filter((mutant) => mutant.status === status).length
  const [killed, timeout, survived, noCoverage] = [
    count('Killed'),
    count('Timeout'),
    count('Survived'),
    count('NoCoverage'),
  ]
  // A mutant that does not even load, or was left out, says nothing about the tests.
  const counted = killed + timeout + survived + noCoverage
  const score = counted === 0 ? 100 : Math.round((10_000 * (killed + timeout)) / counted) / 100
  return { sha256: sha256(source), mutants: counted, killed, timeout, survived, noCoverage, score }
}

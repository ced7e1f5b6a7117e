/**
 * `npm run prove`: a million schedules, each after every step against the model and the laws.
 *
 *     --schedules N   how many (default 1,000,000)       --seed N      one of them, with all that happens in it
 *     --from N        the first seed (default 1)         --json FILE   writes the result there
 *     --workers N     threads (default: one per core)    --keep-going  counts all that fail, and shrinks none
 *     --large         long schedules only, with thousands of live requests (else one in 200 is; default then 5,000)
 *     --patch FILE    a bug to seed first: { "file": "src/…", "find": "…", "replace": "…" }
 *     --report        keeps the result beside those of the other runs, and writes RELIABILITY.md out of all of them
 *
 * The exit code is 1 when a schedule has failed. Seeds that have ever failed belong in `seeds.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { wholeNumber } from '../support/flags.ts'
import '../support/from-source.ts'
import { type Patch, patchSource } from '../support/patch-source.ts'
import type { RunResult } from './support/run.ts'
import type { Batch } from './support/worker.ts'

const resultFile = new URL('../proof/results/simulation.json', import.meta.url)
const PROGRESS_MS = 5_000

const flags = readFlags()
const batchSize = flags.large ? 5 : 250
const patch = flags.patch === undefined ? undefined : (JSON.parse(readFileSync(flags.patch, 'utf8')) as Patch)
if (patch !== undefined) patchSource(patch)
const { LARGE_EVERY, addUp, noResult, play, scheduleOf } = await import('./support/run.ts')
const { report, shrink } = await import('./support/shrink.ts')
const { writeReliability } = await import('../proof/report.ts')

const largeEvery = flags.large ? 1 : LARGE_EVERY

if (flags.seed !== undefined) await replay(flags.seed)
else await prove()

async function replay(seed: number): Promise<void> {
  const schedule = scheduleOf(seed, largeEvery)
  const trace: string[] = []
  // Who keeps a trace listens to more than a proof does, and may look at the clock once more.
  const violation = (await play(schedule, trace)) || (await play(schedule))
  console.log(report({ schedule, violation, trace }))
  if (violation === '') return
  console.log(`\nshrunk:\n${report(await shrink(schedule))}`)
  process.exitCode = 1
}

async function prove(): Promise<void> {
  const begun = performance.now()
  const sum = await runAll(begun)
  const wallMs = Math.round(performance.now() - begun)
  const ratio = Math.round(sum.simulatedMs / wallMs)
  const counts = Object.fromEntries(Object.entries(sum.counts).sort(([a], [b]) => (a < b ? -1 : 1)))
  const about = { date: new Date().toISOString(), node: process.version, workers: flags.workers, patch }
  const seeds = { firstSeed: flags.from, lastSeed: flags.from + sum.schedules - 1 }
  const result = { ...about, ...seeds, wallMs, ratio, failed: sum.violations.length, ...sum, counts }
  const files = [flags.json ?? [], flags.report ? resultFile : []].flat()
  for (const file of files) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  if (flags.report) writeReliability()
  console.log(
    Object.entries(counts)
      .map(([what, times]) => `${`${times}`.padStart(12)}  ${what}`)
      .join('\n'),
  )
  const simulatedH = Math.round(sum.simulatedMs / 3_600_000)
  console.log(
    `${sum.schedules} schedules, ${sum.commands} commands, ${sum.steps} steps (${sum.stepsCompared} with the model), ` +
      `${simulatedH} h simulated in ${Math.round(wallMs / 1_000)} s (${ratio} times as fast), ${sum.violations.length} failed`,
  )
  if (sum.violations.length === 0) return
  process.exitCode = 1
  for (const { seed, what } of sum.violations.slice(0, 20)) console.error(`seed ${seed}: ${what}`)
  const first = sum.violations[0]
  if (!flags.keepGoing && first !== undefined)
    console.error(`\nshrunk:\n${report(await shrink(scheduleOf(first.seed, largeEvery)))}`)
}

/** Hands out the seeds to the threads, a few at a time; stops at the first that fails, unless it is to keep going. */
async function runAll(begun: number): Promise<RunResult> {
  const sum = noResult()
  const last = flags.from + flags.schedules
  let next = flags.from
  let toldAt = begun
  const tell = (): void => {
    const now = performance.now()
    if (now - toldAt < PROGRESS_MS) return
    toldAt = now
    const perSecond = sum.schedules / ((now - begun) / 1_000)
    const leftS = Math.round((flags.schedules - sum.schedules) / perSecond)
    console.log(
      `${sum.schedules} of ${flags.schedules}, ${Math.round(perSecond)} a second, about ${leftS} s left, ${sum.violations.length} failed`,
    )
  }
  const runOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const workerData = { patch, keepGoing: flags.keepGoing, largeEvery }
      // A stack as small as that of the main thread: what overflows it there does so here.
      const resourceLimits = { stackSizeMb: 1 }
      const worker = new Worker(new URL('support/worker.ts', import.meta.url), { workerData, resourceLimits })
      const handOut = (): void => {
        const mayGoOn = flags.keepGoing || sum.violations.length === 0
        if (!mayGoOn || next >= last) {
          void worker.terminate().then(() => resolve(), reject)
          return
        }
        const batch: Batch = { from: next, count: Math.min(batchSize, last - next) }
        next += batch.count
        worker.postMessage(batch)
      }
      worker.on('error', reject)
      worker.on('message', (result: RunResult) => {
        addUp(sum, result)
        // At once: a run that is stopped has still said what it found.
        if (flags.keepGoing) for (const { seed, what } of result.violations) console.error(`seed ${seed}: ${what}`)
        tell()
        handOut()
      })
      handOut()
    })
  await Promise.all(Array.from({ length: flags.workers }, runOne))
  return sum
}

function readFlags() {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      ...{ schedules: text, from: text, seed: text, workers: text, json: text, patch: text },
      'keep-going': { type: 'boolean', default: false },
      large: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'schedules' | 'from' | 'seed' | 'workers', least: number): number | undefined =>
    wholeNumber(name, values[name], least)
  return {
    schedules: number('schedules', 1) ?? (values.large ? 5_000 : 1_000_000),
    large: values.large,
    from: number('from', 0) ?? 1,
    seed: number('seed', 0),
    workers: number('workers', 1) ?? availableParallelism(),
    json: values.json,
    patch: values.patch,
    keepGoing: values['keep-going'],
    report: values.report,
  }
}

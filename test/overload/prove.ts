/**
 * `npm run prove:mixes`: 200 drawn mixes at 1.5 to 5 times the capacity. `mixes.ts` says what is judged.
 *
 *     --mixes N       how many (default 200)             --seed N        one of them, with all that was counted
 *     --from N        the first seed (default 1)         --workers N     threads (default: one per core)
 *     --when-full W   reject, block or shed, in place of the default
 *     --report        keeps the result beside those of the other runs, and writes RELIABILITY.md out of all of them
 *     --pairs         the table of pairs of policies for docs/policies.md; with --write, into it
 *     --how-many      the table behind README's "How many may wait?"
 *
 * The exit code is 1 when a promise was broken.
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { WhenFull } from 'triage-queue'
import { wholeNumber } from '../support/flags.ts'
import '../support/from-source.ts'
import type { MixResult } from './mixes.ts'

const { playMix } = await import('./mixes.ts')
const { byClaim, byOption, shown } = await import('./support/results.ts')
const { writeReliability } = await import('../proof/report.ts')

const resultFile = new URL('../proof/results/mixes.json', import.meta.url)
const flags = readFlags()

if (flags.pairs) await printPairs()
else if (flags.howMany) console.log(await (await import('./how-many.ts')).howMany())
else if (flags.seed !== undefined) await show(flags.seed)
else await prove()

async function show(seed: number): Promise<void> {
  const { result, mix, played } = await playMix(seed, flags.whenFull)
  console.log(JSON.stringify({ mix, played }, null, 2))
  console.log(lineOf(result))
  for (const verdict of result.verdicts) console.log(`${verdict.holds ? '  holds' : '  BROKEN'}: ${shown(verdict)}`)
}

async function prove(): Promise<void> {
  const begun = performance.now()
  const results = await playAll()
  const wallMs = Math.round(performance.now() - begun)
  const claims = byClaim(results)
  const orders = byOption(results, ({ order }) => order)
  const guards = byOption(results, ({ guard }) => guard)
  const simulatedMs = Math.round(results.reduce((sum, each) => sum + each.simulatedMs, 0))
  const requests = results.reduce((sum, each) => sum + each.requests, 0)
  const failed = results.filter(({ verdicts }) => verdicts.some(({ holds }) => !holds)).map(({ seed }) => seed)
  console.log()
  for (const { claim, mixes, broken, promises, worst } of claims) {
    const nearest = worst === undefined ? '' : `; nearest: ${worst.value.toFixed(3)}, seed ${worst.seed}`
    console.log(`${claim}: ${promises} promises of ${mixes} mixes, broken in ${broken}${nearest}`)
  }
  for (const { option, mixes, broken } of [...orders, ...guards]) console.log(`${option}: ${broken} of ${mixes} broken`)
  console.log(
    `${results.length} mixes (seeds ${flags.from} to ${flags.from + results.length - 1}), ${requests} requests, ` +
      `${Math.round(simulatedMs / 3_600_000)} h simulated in ${Math.round(wallMs / 1_000)} s, ${failed.length} failed`,
  )
  if (failed.length > 0) {
    console.error(`failed: ${failed.join(', ')}`)
    process.exitCode = 1
  }
  if (!flags.report) return
  const about = { date: new Date().toISOString(), node: process.version, whenFull: flags.whenFull ?? 'the default' }
  const seeds = { firstSeed: flags.from, lastSeed: flags.from + results.length - 1 }
  const sums = { mixes: results.length, requests, simulatedMs, wallMs, failed: failed.length }
  writeFileSync(
    resultFile,
    `${JSON.stringify({ ...about, ...seeds, ...sums, claims, orders, guards, lines: results.map(lineOf) }, null, 2)}\n`,
  )
  writeReliability()
}

/** One seed at a time for each thread; told in their order. */
async function playAll(): Promise<MixResult[]> {
  const results: MixResult[] = []
  let next = flags.from
  let toTell = flags.from
  const waiting = new Map<number, MixResult>()
  const runOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('support/worker.ts', import.meta.url), {
        workerData: { whenFull: flags.whenFull },
      })
      const handOut = (): void => {
        if (next < flags.from + flags.mixes) worker.postMessage(next++)
        else void worker.terminate().then(() => resolve(), reject)
      }
      worker.on('error', reject)
      worker.on('message', (result: MixResult) => {
        waiting.set(result.seed, result)
        for (let each = waiting.get(toTell); each !== undefined; each = waiting.get(++toTell)) {
          results.push(each)
          console.log(lineOf(each))
        }
        handOut()
      })
      handOut()
    })
  await Promise.all(Array.from({ length: flags.workers }, runOne))
  return results
}

function lineOf({ seed, options, load, urgentLoad, verdicts }: MixResult): string {
  const broken = verdicts.filter(({ holds }) => !holds)
  const end = broken.length === 0 ? `${verdicts.length} hold` : `BROKEN: ${broken.map(shown).join(', ')}`
  return `seed ${seed}: ${load.toFixed(1)} × capacity (urgent ${urgentLoad.toFixed(2)}); ${options}: ${end}`
}

async function printPairs(): Promise<void> {
  const { pairsPage, playPairs, writePairs } = await import('./pairs.ts')
  const pairs = await playPairs()
  console.log(pairsPage(pairs))
  if (flags.write) writePairs(pairs)
}

function readFlags() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    options: {
      ...{ mixes: text, from: text, seed: text, workers: text, 'when-full': text },
      ...{ report: flag, pairs: flag, write: flag, 'how-many': flag },
    },
  })
  const number = (name: 'mixes' | 'from' | 'seed' | 'workers', least: number): number | undefined =>
    wholeNumber(name, values[name], least)
  return {
    mixes: number('mixes', 1) ?? 200,
    from: number('from', 0) ?? 1,
    seed: number('seed', 0),
    workers: number('workers', 1) ?? availableParallelism(),
    whenFull: values['when-full'] as WhenFull | undefined,
    report: values.report,
    pairs: values.pairs,
    write: values.write,
    howMany: values['how-many'],
  }
}

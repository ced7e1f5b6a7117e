/**
 * What is a queue in front of a service good for? `npm run demo` shows it; `npm run demo -- --help` tells how.
 *
 * Read on in `ways.ts`: the two ways to call the service are the point. `service.ts` is what is called, `load.ts` and
 * `trace.ts` say who calls it and when, `tally.ts` and `report.ts` what came of it.
 */
import { basename } from 'node:path'
import { isTriageError } from '../../src/index.ts'
import { openStore } from '../../src/sqlite/index.ts'
import { type DemoArguments, HELP, InputError, readArguments } from './arguments.ts'
import { discrepancies } from './conservation.ts'
import { count } from './format.ts'
import { makePlan, type Plan } from './plan.ts'
import { Progress } from './progress.ts'
import { report } from './report.ts'
import { asJson } from './report-json.ts'
import { Service } from './service-client.ts'
import { readTrace, type Trace, tiersOf } from './trace.ts'
import { verdict } from './verdict.ts'
import { callDirectly, callQueued, finishLeft, type Results, type Watch, type WayResult } from './ways.ts'

// `npm run demo | head`: nobody reads on.
process.stdout.on('error', () => process.exit(0))

try {
  const wanted = readArguments(process.argv.slice(2))
  if (wanted.help) process.stdout.write(HELP)
  else await demo(wanted)
} catch (error) {
  const isInput = error instanceof InputError
  process.exitCode = isInput ? 2 : 1
  if (isInput) console.error(`demo: ${error.message}\nTry: npm run demo -- --help`)
  // Such as a store that another demo has: it says what to do.
  else console.error(isTriageError(error) ? `demo: ${error.message}` : error)
}

async function demo(wanted: DemoArguments): Promise<void> {
  const traces: Trace[] = []
  for (const file of wanted.files) traces.push(await readTrace(file, wanted.limit))
  const out = wanted.json ? process.stderr : process.stdout
  const progress = new Progress(out)
  const service = await Service.start((why) => {
    console.error(`\ndemo: ${why}`)
    process.exit(1)
  })
  const interrupt = (exitCode: number): void => {
    service.stop()
    out.write('\n')
    process.exit(exitCode)
  }
  process.once('SIGINT', () => interrupt(130))
  process.once('SIGTERM', () => interrupt(143))
  try {
    out.write(`service   process ${service.pid} at ${service.url}, one thread for its work\n`)
    const plan = await makePlan(service, wanted, traces)
    out.write(`${introduction(plan, wanted, traces)}\n\n`)
    const { tiers } = plan
    const directly = await callDirectly(service, plan, (...now) => progress.start('directly', tiers, ...now))
    progress.stop()
    const queued = await queuedWay(service, plan, wanted, (...now) => progress.start('queued', tiers, ...now), out)
    progress.stop()
    finish({ tiers, directly, queued }, plan, wanted)
  } finally {
    progress.stop()
    service.stop()
  }
}

/** With `--db` the store is opened first, and what the run before has left in it is done. */
async function queuedWay(
  service: Service,
  plan: Plan,
  { concurrency, db }: DemoArguments,
  watch: Watch,
  out: NodeJS.WriteStream,
): Promise<WayResult> {
  if (db === undefined) return callQueued(service, plan, { concurrency }, watch)
  await using store = await openStore(db)
  const left = await finishLeft(service, concurrency, store)
  const kept = left === 0 ? 'nothing is left of a run before' : `${count(left)} of a run before are done now`
  out.write(`store     ${db}: ${kept}\n`)
  return await callQueued(service, plan, { concurrency, store }, watch)
}

function introduction(plan: Plan, { speed, seed }: DemoArguments, traces: readonly Trace[]): string {
  const { arrivals, arrivalsPerSecond, capacityPerSecond, durationMs } = plan
  const files = traces.map(
    ({ path, rows }, index) =>
      `${basename(path)} (${count(rows.length)}) as ${tiersOf(traces.length)[index]?.toUpperCase()}`,
  )
  const source = traces.length === 0 ? `made up, seed ${seed}` : `${files.join(', ')}, ${speed} times as fast`
  const times = (arrivalsPerSecond / capacityPerSecond).toFixed(1)
  return [
    `capacity  ${count(Math.round(capacityPerSecond))} requests a second, as measured`,
    `load      ${count(Math.round(arrivalsPerSecond))} a second, ${times} times its capacity: ${count(arrivals.length)} requests in ${(durationMs / 1000).toFixed(0)} s, each way`,
    `          ${source}`,
  ].join('\n')
}

function finish(results: Results, plan: Plan, { json }: DemoArguments): void {
  const wrong = discrepancies(results)
  if (wrong.length > 0) process.exitCode = 1
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ...asJson(results, plan), verdict: verdict(results), discrepancies: wrong }, null, 2)}\n`,
    )
    return
  }
  process.stdout.write(`\n${report(results)}\n`)
}

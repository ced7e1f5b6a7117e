/**
 * The benches: `npm run bench` measures everything, `npm run bench -- burst latency` some of it. See README.md here.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Case } from './case.ts'

const usage = `npm run bench -- [options] [case …]

  --peers a,b     only these peers
  --only text     only trials whose subject or variant contains this
  --rounds n      in place of each case's own number
  --quick         short, small and inexact: does it work at all?
  --dist          measure the build in dist/, not the sources
  --node=flag     one more flag for the measuring Node, such as --node=--cpu-prof; may be repeated
  --write         put the tables of a whole run into bench/README.md
  --list          the cases and peers`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    dist: { type: 'boolean', default: false },
    node: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// For this process too: what is loaded below reads them.
const env = { BENCH_QUICK: values.quick ? '1' : '0', BENCH_DIST: values.dist ? '1' : '0' }
Object.assign(process.env, env)
const { cases } = await import('./cases/index.ts')
const { verifyCase } = await import('./cases/verify.ts')
const { runCase } = await import('./driver.ts')
const { describeMachine, machineLines } = await import('./machine.ts')
const { peerNames } = await import('./peers/index.ts')
const { judge, targetsTable } = await import('./targets.ts')

const folder = import.meta.dirname

if (values.help) console.log(usage)
else if (values.list) {
  for (const { name, about } of cases) console.log(`${name.padEnd(12)} ${about}`)
  console.log(`peers: ${peerNames.join(', ')}`)
} else await main()

async function main(): Promise<void> {
  const chosen = chooseCases()
  const peers = choosePeers()
  const isWhole = positionals.length === 0 && !values.quick && [values.peers, values.only, values.rounds].every(isUnset)
  if (values.write && !isWhole) fail('--write needs a whole run: no names, no --quick, --peers, --only or --rounds')
  const rounds = values.quick ? 1 : values.rounds === undefined ? undefined : Number(values.rounds)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1)) fail('--rounds needs a number of at least 1')

  const startedAt = performance.now()
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ')
  const machine = describeMachine()
  const heading = `${date} UTC, \`${command}\`\n\n${machineLines(machine)}`
  console.log(heading)

  const all = new Map<string, Awaited<ReturnType<typeof runCase>>['results']>()
  const tables: string[] = []
  const failures: string[] = []
  for (const each of chosen) {
    const { results, failures: failed } = await runCase(each, {
      peers,
      ...(rounds === undefined ? {} : { rounds }),
      ...(values.only === undefined || each === verifyCase ? {} : { only: values.only }),
      flags: each === verifyCase ? [] : values.node,
      env,
      progress,
    })
    progress('')
    all.set(each.name, results)
    failures.push(...failed)
    const report = each.report(results)
    tables.push(report)
    console.log(`\n${report}`)
    // What does not do the work is not measured.
    if (each === verifyCase && failed.length > 0) break
  }

  const judged = judge(all)
  if (judged.some(({ met }) => met !== undefined)) {
    const report = targetsTable(judged.filter(({ met }) => met !== undefined))
    tables.push(report)
    console.log(`\n${report}`)
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  console.log(`\n${seconds} s in all`)

  const record = {
    date,
    command,
    seconds,
    machine,
    cases: Object.fromEntries([...all].map(([name, results]) => [name, results.summaries()])),
    targets: judged.filter(({ met }) => met !== undefined),
    failures,
  }
  mkdirSync(join(folder, 'results'), { recursive: true })
  writeFileSync(join(folder, 'results', 'last.json'), `${JSON.stringify(record, null, 2)}\n`)
  for (const failure of failures) console.error(`FAILED: ${failure}`)
  if (failures.length > 0) process.exitCode = 1
  else if (values.write) writeReadme([heading, ...tables].join('\n\n'))
}

function chooseCases(): Case[] {
  const unknown = positionals.filter((name) => !cases.some((each) => each.name === name))
  if (unknown.length > 0)
    fail(`there is no case ${unknown.join(', ')} (there are ${cases.map((c) => c.name).join(', ')})`)
  return cases.filter(({ name }) => positionals.length === 0 || name === verifyCase.name || positionals.includes(name))
}

function choosePeers(): string[] {
  const names = values.peers?.split(',').map((name) => name.trim())
  const unknown = names?.filter((name) => !peerNames.includes(name)) ?? []
  if (unknown.length > 0) fail(`there is no peer ${unknown.join(', ')} (there are ${peerNames.join(', ')})`)
  return peerNames.filter((name) => names?.includes(name) ?? true)
}

/** Between the two marks of README.md. */
function writeReadme(tables: string): void {
  const file = join(folder, 'README.md')
  const [begin, end] = ['<!-- last run: begin -->', '<!-- last run: end -->']
  const readme = readFileSync(file, 'utf8')
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)]
  if (from < 0 || to < from) fail(`${file} has lost its marks`)
  writeFileSync(file, `${readme.slice(0, from + begin.length)}\n\n${tables}\n\n${readme.slice(to)}`)
}

/** One line that is written over; only for those who watch. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`)
}

function isUnset(value: unknown): boolean {
  return value === undefined
}

function fail(why: string): never {
  console.error(why)
  process.exit(2)
}

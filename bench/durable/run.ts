/**
 * The bench of what is durable: `npm run bench:durable`. See ../README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const usage = `npm run bench:durable -- [options] [case …]

  --seconds n     how long each is measured (default 5; the whole: 60)
  --subjects a,b  only these
  --rounds n      in place of each case's own number
  --quick         short and inexact: does it work at all?
  --folder path   on which disk (default: that of the system's temporary files)
  --write file    the tables, as a file`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    subjects: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    folder: { type: 'string' },
    write: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const env = {
  ...{ BENCH_QUICK: values.quick ? '1' : '0', BENCH_DIST: '0', BENCH_SECONDS: values.seconds },
  ...(values.folder === undefined ? {} : { BENCH_FOLDER: values.folder }),
}
Object.assign(process.env, env)
const { durableCases, subjectNames } = await import('./cases.ts')
const { runCase } = await import('../driver.ts')
const { describeMachine, machineLines, versionOf } = await import('../machine.ts')
const { loadSubject } = await import('./subjects/index.ts')
const { table } = await import('../table.ts')

if (values.help) console.log(usage)
else await main()

async function main(): Promise<void> {
  const chosen = durableCases.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const subjects = subjectNames.filter((name) => values.subjects?.split(',').includes(name) ?? true)
  if (chosen.length === 0 || subjects.length === 0) {
    console.error(
      `${usage}\n\ncases: ${durableCases.map(({ name }) => name).join(', ')}; subjects: ${subjectNames.join(', ')}`,
    )
    process.exit(2)
  }
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const command = ['npm run bench:durable', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(
    ' ',
  )
  const machine = describeMachine()
  const packages: { readonly [name: string]: string } = {
    ...{ bullmq: 'bullmq', plainjob: 'plainjob', 'job-queue': '@platformatic/job-queue', 'triage-queue': '.' },
  }
  const who = await Promise.all(
    subjects.map(async (name) => {
      const of = packages[name]
      return [name, of === undefined ? '' : versionOf(of), (await loadSubject(name)).about]
    }),
  )
  const lines = [
    `${date} UTC, \`${command}\`, ${values.quick ? 1 : values.seconds} s each\n\n${machineLines(machine)}`,
    table(['', 'version', 'how it is used'], who),
  ]
  console.log(lines.join('\n\n'))
  const failures: string[] = []
  for (const each of chosen) {
    const { results, failures: failed } = await runCase(each, {
      ...{ peers: subjects, flags: [], env, progress },
      ...(values.quick ? { rounds: 1 } : values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
    })
    progress('')
    failures.push(...failed)
    const report = each.report(results)
    lines.push(report)
    console.log(`\n${report}`)
  }
  mkdirSync(join(import.meta.dirname, '..', 'results'), { recursive: true })
  writeFileSync(join(import.meta.dirname, '..', 'results', 'durable.md'), `${lines.join('\n\n')}\n`)
  if (values.write !== undefined) writeFileSync(values.write, `${lines.join('\n\n')}\n`)
  for (const failure of failures) console.error(`FAILED: ${failure}`)
  if (failures.length > 0) process.exitCode = 1
}

/** One line that is written over; only for those who watch. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`)
}

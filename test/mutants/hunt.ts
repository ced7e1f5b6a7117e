/**
 * `npm run mutants`: seeds each bug in turn, and sees whether it is found.
 *
 *     --only NAME      only those whose name has this in it        --schedules N    how many for each (default 2,000)
 *     --json FILE      writes the result there (default: results.json beside this file, unless --only; with --only, those
 *                      that FILE has and that were not sought this time stay as they are)
 *     --at-once N      how many at a time (default 2)
 *
 * First by simulation; a bug that no schedule has found is sought by the tests. The exit code is 1 when one survives. A
 * schedule that fails without any bug finds nothing, and a test that does so finds nothing either.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wholeNumber } from '../support/flags.ts'
import type { Mutant } from './mutant.ts'
import { mutants } from './mutants.ts'
import { root } from './support/child.ts'
import { simulate } from './support/simulate.ts'
import { firstFailure, testThatFinds } from './support/suite.ts'

interface Finding {
  readonly name: string
  readonly kind: Mutant['kind']
  readonly file: string
  readonly foundBy: 'simulation' | 'tests' | 'nothing'
  /** In how many schedules. */
  readonly schedules: number
  /** The process came to no end, or to an early one: nobody knows in how many schedules. */
  readonly ends?: 'hangs' | 'crashes'
  readonly test?: string
}

const PATIENCE = 8
const LEAST_MS = 30_000

const flags = readFlags()
const begun = performance.now()
const sound = await simulate(undefined, flags.schedules, 600_000)
if (sound.ends !== 'well') throw new Error(`Without a bug, the simulation ${sound.ends}: ${sound.what}`)
const limitMs = Math.max((performance.now() - begun) * PATIENCE, LEAST_MS)
const unsound = new Set(sound.failed)
if (unsound.size > 0) console.log(`${unsound.size} schedules fail without a bug, and don't count: ${sound.what}`)

const wanted = mutants.filter(({ name }) => flags.only === undefined || name.includes(flags.only))
for (const { name, file, find } of wanted) {
  const places = readFileSync(join(root, file), 'utf8').split(find).length - 1
  if (places !== 1)
    throw new Error(`There are ${places} places for '${name}' in ${file}; it would be found by that alone`)
}
const findings: Finding[] = []
let next = 0
await Promise.all(
  Array.from({ length: flags.atOnce }, async () => {
    for (let at = next++; at < wanted.length; at = next++) {
      const finding = await hunt(wanted[at] as Mutant)
      findings[at] = finding
      console.log(lineOf(finding))
    }
  }),
)
await requireSoundTests()
summarise()

async function hunt(mutant: Mutant): Promise<Finding> {
  const { name, kind, file } = mutant
  const { failed, ends } = await simulate(mutant, flags.schedules, limitMs)
  if (ends !== 'well') return { name, kind, file, foundBy: 'simulation', schedules: 0, ends }
  const schedules = failed.filter((seed) => !unsound.has(seed)).length
  if (schedules > 0) return { name, kind, file, foundBy: 'simulation', schedules }
  const test = await testThatFinds(mutant)
  if (test === undefined) return { name, kind, file, foundBy: 'nothing', schedules }
  return { name, kind, file, foundBy: 'tests', schedules, test }
}

function lineOf({ name, foundBy, schedules, ends, test }: Finding): string {
  if (foundBy === 'simulation') return `${(ends ?? `${schedules}`).padStart(8)}  ${name}`
  return `${(foundBy === 'tests' ? 'test' : 'SURVIVES').padStart(8)}  ${name}${test === undefined ? '' : `\n          ${test}`}`
}

/** What has found something must find nothing where nothing is. */
async function requireSoundTests(): Promise<void> {
  const files = new Set(findings.flatMap(({ test }) => (test === undefined ? [] : test.slice(0, test.indexOf(':')))))
  if (files.size === 0) return
  const failure = await firstFailure([...files])
  if (failure !== undefined) throw new Error(`This fails without a bug, too: ${failure}`)
}

function summarise(): void {
  const of = (by: Finding['foundBy']): Finding[] => findings.filter(({ foundBy }) => foundBy === by)
  const survivors = of('nothing')
  console.log(
    `${findings.length} bugs: ${of('simulation').length} found by ${flags.schedules} schedules, ` +
      `${of('tests').length} by the tests, ${survivors.length} survive (${Math.round((performance.now() - begun) / 1_000)} s)`,
  )
  if (survivors.length > 0) process.exitCode = 1
  if (flags.json === undefined) return
  const command = flags.command
  const about = { date: new Date().toISOString(), node: process.version, command, schedules: flags.schedules }
  const result = { ...about, failedWithoutBug: unsound.size, mutants: withOthers(flags.json) }
  writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`)
}

/** The findings, and with `--only` what the file says of the others. */
function withOthers(file: string): Finding[] {
  if (flags.only === undefined || !existsSync(file)) return findings
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as { schedules: number; mutants: Finding[] }
  if (recorded.schedules !== flags.schedules)
    throw new Error(
      `${file} is of ${recorded.schedules} schedules for each, and says nothing beside ${flags.schedules}`,
    )
  return mutants.flatMap(({ name }) => [...findings, ...recorded.mutants].find((each) => each.name === name) ?? [])
}

function readFlags() {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { only: text, json: text, schedules: text, 'at-once': text } })
  const number = (name: 'schedules' | 'at-once', otherwise: number): number =>
    wholeNumber(name, values[name], 1) ?? otherwise
  const { only } = values
  const json = values.json ?? (only === undefined ? join(root, 'test/mutants/results.json') : undefined)
  return {
    only,
    json,
    schedules: number('schedules', 2_000),
    atOnce: number('at-once', 2),
    command: ['npm run mutants', ...(process.argv.length > 2 ? ['--'] : []), ...process.argv.slice(2)].join(' '),
  }
}

/**
 * Writes RELIABILITY.md out of what the runs have left as JSON, the sources of the tests, and nothing else: no figure
 * in it is typed by hand. `npm run prove -- --report` does it after a run; `node test/proof/report.ts` without one.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { kept } from '../simulation/seeds.ts'
import { found } from './found.ts'
import type { MixesResult, MutantsResult, SimulationResult, SoakResult, StrykerResult } from './results.ts'

const root = new URL('../../', import.meta.url)

/** The text of RELIABILITY.md. */
export function reliability(): string {
  return `${[
    `# Reliability

What triage-queue promises, and how each promise is shown. This page is written by \`npm run prove -- --report\` from the runs'
own output; no figure in it is typed by hand.`,
    promises(),
    simulation(read<SimulationResult>('test/proof/results/simulation.json')),
    mixes(read<MixesResult>('test/proof/results/mixes.json')),
    mutants(read<MutantsResult>('test/mutants/results.json')),
    exhaustive(),
    soak(read<SoakResult>('test/proof/results/soak.json')),
    coverage(read<StrykerResult>('test/mutants/stryker.json')),
    findings(),
  ].join('\n\n')}\n`
}

function promises(): string {
  const files = readdirSync(new URL('test/laws/', root)).filter((name) => name.endsWith('.test.ts'))
  const laws = files.map((file) => ({ file, ...lawOf(readFileSync(new URL(`test/laws/${file}`, root), 'utf8')) }))
  const rows = laws
    .sort((a, b) => a.number - b.number)
    .map(({ file, number, promise }) => [`${number}`, promise, `[\`${file}\`](test/laws/${file})`])
  return `## The laws

Each is a property test under random schedules, is looked at after every step of every simulated schedule, and is checked in
your own service with \`debug: true\` (or \`TRIAGE_DEBUG=1\`), as far as it can be seen from inside.

${table(['', 'promise', 'test'], rows)}`
}

function lawOf(source: string): { number: number; promise: string } {
  const text = source
    .slice(source.indexOf('/**') + 3, source.indexOf('*/'))
    .replaceAll(/\n \* ?/g, '\n')
    .trim()
  const [first = ''] = text.split('\n\n')
  const [, number, promise = ''] = /^Law (\d+), (.*)$/s.exec(first) ?? []
  return { number: Number(number), promise: promise.replaceAll('\n', ' ') }
}

function simulation(run: SimulationResult | undefined): string {
  const what = `## Simulation

One seed decides what happens to an executor on a virtual clock: arrivals, priorities, costs, what the executor does (returns,
throws, hangs, answers late or never), signals, timeouts, listeners that throw or act, pause, resize, close, duplicates,
retries, orders, limits, rates and guards. After every step all laws are checked, and a model of plain, sorted arrays says who
runs, who waits in which order, and how each request has ended; where a choice is a matter of numbers, the laws alone. At the
end of each schedule all that runs is answered, again and again, and whatever may start by the options alone must start (law 12).
\`npm test\` plays 20,000 schedules of 40 commands; \`npm run prove\` a million; \`npm run prove -- --seed N\` shows one.
One in 200 is a long one: up to 5,000 live requests, under every order and every pair of orders, of which many leave, expire, move
and start at once; or 140,000 callers who share a run. There a sorted array for each order says which request starts next, and
which one waits at which place. \`npm test\` plays 100 of these, \`npm run prove -- --large\` nothing else.`
  if (run === undefined) return `${what}\n\nNo run is recorded.`
  const rows = [
    ['run', `${day(run.date)}, Node ${run.node}`],
    ['schedules', count(run.schedules)],
    ['commands', count(run.commands)],
    ['seeds', `${count(run.firstSeed)} to ${count(run.lastSeed)}`],
    ['steps at which the laws were checked', count(run.steps)],
    ['of these, compared with the model', count(run.stepsCompared)],
    ['schedules that broke a law or left the model', count(run.failed)],
    ['simulated time', `${count(Math.round(run.simulatedMs / 3_600_000))} hours`],
    ['took', `${count(Math.round(run.wallMs / 1_000))} s, ${count(run.ratio)} times as fast as the time simulated`],
    ['requests started', count(run.counts['event started'] ?? 0)],
    ['completed, failed', `${count(run.counts['event completed'] ?? 0)}, ${count(run.counts['event failed'] ?? 0)}`],
    [
      'expired, cancelled, shed',
      ['expired', 'cancelled', 'shed'].map((how) => count(run.counts[`event ${how}`] ?? 0)).join(', '),
    ],
  ]
  const later =
    run.failed === 0
      ? ''
      : '\n\nWhat has failed was cured after that run, and is told in [what was found](#what-was-found).'
  return `${what}\n\n${table(['', ''], rows)}${later}`
}

const claims = {
  urgent: ['URGENT in time, where it asks for at most half of what there is for it', 'at least 99 %', '%'],
  tenant: [
    'under `fairBy()`, a tenant that asks for less than its fair share of its tier, in time',
    'at least 95 %',
    '%',
  ],
  weighted: ['under `weighted()`, a tier is off its max-min fair share of the answers by', 'at most 10 %', '%'],
  aging: ['under `aging()`, the longest wait, of its bound; and no tier starves', 'at most 1', ''],
} as const

function mixes(run: MixesResult | undefined): string {
  const what = `## Mixes under overload

\`npm run prove:mixes\`: drawn mixes of load and policies at 1.5 to 5 times the capacity, on virtual time, judged by what their
callers see. [\`mixes.ts\`](test/overload/mixes.ts) says what is drawn, and when a request is in time.`
  if (run === undefined) return `${what} No run is recorded.`
  const judged = run.claims.map(({ claim, mixes, broken, promises, worst }) => {
    const [promise, bound, unit] = claims[claim]
    const nearest =
      worst === undefined ? '' : unit === '%' ? `${(100 * worst.value).toFixed(1)} %` : worst.value.toFixed(2)
    return [promise, bound, count(promises), count(mixes), count(broken), `${nearest} (seed ${worst?.seed ?? '–'})`]
  })
  const options = [...run.orders, ...run.guards.map((guard) => ({ ...guard, option: `guard: ${guard.option}` }))]
  const hours = count(Math.round(run.simulatedMs / 3_600_000))
  return `${what} The last run: ${count(run.mixes)} mixes, seeds ${count(run.firstSeed)} to
${count(run.lastSeed)}, \`whenFull\`: ${run.whenFull}; ${count(run.requests)} requests, ${hours} hours in ${count(Math.round(run.wallMs / 1_000))} s (${day(run.date)}, Node ${run.node}).

${table(['promise', 'it is', 'judged', 'in mixes', 'of these broken', 'nearest to it'], judged)}

${table(
  ['order, or guard', 'mixes', 'of these broken'],
  options.map(({ option, mixes, broken }) => [option, count(mixes), count(broken)]),
)}`
}

function mutants(run: MutantsResult | undefined): string {
  const what = `## Seeded bugs

Mistakes that a tired engineer would make, seeded one at a time (\`npm run mutants\`): the tests' own proof.`
  if (run === undefined) return `${what}\n\nNo run is recorded.`
  const bySimulation = run.mutants.filter(({ foundBy }) => foundBy === 'simulation').length
  const byTests = run.mutants.filter(({ foundBy }) => foundBy === 'tests').length
  const rows = run.mutants.map(({ name, kind, file, foundBy, schedules, test, ends }) => [
    name,
    kind,
    `\`${file.replace('src/core/', '')}\``,
    foundBy === 'simulation' ? (ends === undefined ? count(schedules) : `it ${ends}`) : '',
    test === undefined ? '' : `\`${test.replace('test/', '')}\``,
  ])
  return `${what} Of ${run.mutants.length}, ${bySimulation} are found by
simulation (in ${count(run.schedules)} schedules for each), ${byTests} by the tests, and ${run.mutants.length - bySimulation - byTests} by nothing (${day(run.date)}, Node ${run.node}).

${table(['bug', 'kind', 'in `src/core/`', 'schedules that found it', 'or the test'], rows)}`
}

function exhaustive(): string {
  const all = ['block', 'reject', 'shed'].map((mode) => {
    const source = readFileSync(new URL(`test/exhaustive/${mode}.test.ts`, root), 'utf8')
    const counts = [...source.matchAll(/^ {2}\w+: ([\d_]+),$/gm)].map(([, number = '']) =>
      Number(number.replaceAll('_', '')),
    )
    return counts.reduce((sum, each) => sum + each, 0)
  })
  return `## Exhaustive small cases

Every sequence of up to six commands over two slots, each command in the burst of the one before, a microtask later, or after
all has settled: ${count(all.reduce((sum, each) => sum + each, 0))} interleavings in \`npm test\`, against an array that says what must happen. The numbers are asserted,
so that none is lost unseen; \`EXHAUSTIVE=large npx vitest run test/exhaustive\` covers more.`
}

function soak(run: SoakResult | undefined): string {
  const what = `## Soak and leak

\`npm run soak\`: a mix of everything that can happen to a request; as many through a capacity of 1,000 with a heap of 64 MB;
and whether what has ended is collected.`
  if (run === undefined) return `${what}\n\nNo run is recorded.`
  const { mixed, narrow, collected } = run
  const followed = Object.values(collected.followed).reduce((sum, each) => sum + each, 0)
  const left = Object.values(collected.left).reduce((sum, each) => sum + each, 0)
  const { bytesPerRequest, standardError } = mixed.heapSlope
  const rows = [
    ['run', `${day(run.date)}, Node ${run.node}`],
    ['mixed requests', count(mixed.requests)],
    [
      'the heap grows, over the last 80 %',
      `${bytesPerRequest.toFixed(3)} ± ${standardError.toFixed(3)} bytes a request`,
    ],
    ['through 64 MB', `${count(narrow.requests)} requests, up to ${count(narrow.maxWaiting)} waiting`],
    ['objects followed', `${count(followed)} of ${count(collected.requests)} requests; ${count(left)} are left`],
  ]
  return `${what}\n\n${table(['', ''], rows)}`
}

function coverage(run: StrykerResult | undefined): string {
  const what = `## Coverage and mutation score

\`npm run test:coverage\` is a gate: 100 % of the lines, branches and functions of \`src/core\`, by tests whose schedules are
fixed.`
  if (run === undefined) return `${what} No run of \`npm run mutate\` is recorded.`
  const files = Object.entries(run.files)
  const missing = filesWithCode().filter((file) => !(file in run.files))
  const which = missing.length === 0 ? 'all files' : `all files but ${missing.join(', ')},`
  const sum = (what: 'mutants' | 'killed' | 'timeout'): number => files.reduce((all, [, file]) => all + file[what], 0)
  const score = (100 * (sum('killed') + sum('timeout'))) / sum('mutants')
  const rows = files.map(([file, { mutants, killed, timeout, score }]) => [
    `\`${file.replace('src/core/', '')}\``,
    `${mutants}`,
    `${killed + timeout}`,
    `${score.toFixed(1)} %`,
  ])
  return `${what} \`npm run mutate\` has changed ${which} that hold more than types (${files.length}) in ${count(sum('mutants'))} small ways, and the tests have found
${score.toFixed(1)} % (${day(run.date)}): ${count(sum('killed'))} by a test that failed, ${count(sum('timeout'))} by one that came to no end. [What was not found](test/mutants/SURVIVORS.md) is listed, with a
reason each.

${table(['in `src/core/`', 'mutants', 'found', 'score'], rows)}`
}

/** Those of `src/core` that hold more than types. */
function filesWithCode(): string[] {
  return readdirSync(new URL('src/core/', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/core/${name}`)
    .filter((file) =>
      /^(export )?(abstract |async )?(class|const|function|let) /m.test(readFileSync(new URL(file, root), 'utf8')),
    )
}

function findings(): string {
  const rows = [
    ...kept.map(({ seed, was, cure, commit, test }) => [
      was,
      `simulation, seed ${count(seed)}`,
      `${cure} (${commit})`,
      test === undefined ? 'its schedule' : linkTo(test),
    ]),
    ...found.map(({ was, by, cure, commit, test }) => [was, by, `${cure} (${commit})`, linkTo(test)]),
  ]
  return `## What was found

Bugs of the queue itself that all of this has found, before anybody else did. Each is mended, and has a test that fails without
the cure; or the promise was made plain. The schedules, as small as they can be, are played with every \`npm test\`.

${table(['bug', 'found by', 'cure', 'regression test'], rows)}`
}

function linkTo(test: string): string {
  return `[\`${test.replace('test/', '')}\`](${test})`
}

function read<T>(path: string): T | undefined {
  const file = new URL(path, root)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

function day(date: string): string {
  return date.slice(0, 10)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeReliability()

export function writeReliability(): void {
  writeFileSync(new URL('RELIABILITY.md', root), reliability())
}

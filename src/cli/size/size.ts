/**
 * `size`: what a load needs, on this machine. The formulas are those of `size()`.
 */
import { availableParallelism, totalmem } from 'node:os'
import { OptionsError } from '../../core/errors.ts'
import type { Priority } from '../../core/priority.ts'
import type { Sizing, WaitEstimate } from '../../simulation/index.ts'
import { defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { Exit, Fault, messageOf, usage } from '../fault.ts'
import { columnsOf, painter, print, printJson } from '../output.ts'
import { bytes, duration, fromZero, integer, mix, positive, text } from '../parse.ts'
import { tableLines, wrapped } from '../table.ts'
import { count, plural, size as sizeText, duration as timeText } from '../words.ts'
import { type Confirmed, confirm } from './confirm.ts'

const flags = {
  rate: optional('--rate <n>', 'how many requests come in a second', positive),
  run: optional('--run <time>', 'how long a run takes on average', duration),
  cv: option('--cv <n>', 'how much runs vary: 0 not at all, 1 as exponential ones', fromZero, 1),
  arrivalCv: option(
    '--arrival-cv <n>',
    'how much the times between arrivals vary: 1 for independent ones',
    fromZero,
    1,
  ),
  mix: optional('--mix <shares>', "the shares of the priorities: 'urgent=5,normal=95'", mix),
  goal: {
    ...optional<readonly string[]>(
      '--goal <goal>',
      "what is promised: 'p99wait<200ms', 'urgent.wait.p99<50ms', 'refused<0.1%'; several times",
      (goal) => [text(goal)],
    ),
    isMany: true,
  },
  slots: optional('--slots <n>', 'says what so many slots give', integer(1, 1_000_000)),
  maxQueueSize: optional('--max-queue-size <n>', 'says what a queue of this length gives', integer(0)),
  cpu: optional('--cpu <time>', 'how much of a processor a run takes (default none: it waits for others)', duration),
  cores: optional('--cores <n>', 'the processors (default: those of this machine)', integer(1)),
  memory: optional('--memory <size>', 'the memory (default: that of this machine, or of its container)', bytes),
  payload: optional('--payload <size>', 'a request with its answer (default 1kB)', bytes),
  runMemory: optional('--run-memory <size>', 'what a run takes in the function itself (default none)', bytes),
  library: toggle('--library', 'in a process of yours: without the connections of a service'),
  poisson: toggle('--poisson', 'confirms it: the same load through the queue itself, on virtual time'),
  json: toggle('--json', 'as JSON'),
}

type Chosen = Values<typeof flags>

export const size = defineCommand({
  name: 'size',
  summary: 'Says how many slots, how long a queue and how much memory a load needs.',
  about: [
    'By the formulas of Little, Erlang, Allen and Cunneen, and Cobham for priorities: docs/sizing.md has them in words. Without a goal 99 %',
    'wait at most a quarter of the run, and 0.1 % are refused. It ends with 99 when --slots, --memory or --cores do not suffice.',
  ].join(' '),
  args: [],
  flags,
  examples: [
    [`triage-queue size --rate 1143 --run 3.5s --goal 'p99wait<200ms'`, 'the least slots that keep a promise'],
    [
      `triage-queue size --rate 90 --run 100ms --mix urgent=5,normal=80,low=15 --goal 'urgent.wait.p99<50ms'`,
      'with priorities',
    ],
    [
      'triage-queue size --rate 90 --run 100ms --slots 10 --max-queue-size 40 --poisson',
      'what there is, and a simulation beside it',
    ],
  ],
  run,
})

async function run(chosen: Chosen): Promise<number> {
  const { rate, run: runMs } = chosen
  if (rate === undefined) throw usage('How many requests come in a second? --rate 1143; see triage-queue size --help')
  if (runMs === undefined) throw usage('How long does a run take? --run 3.5s; see triage-queue size --help')
  const sizing = await sized(chosen, rate, runMs)
  const mixed = chosen.mix ?? new Map<Priority, number>([['normal', 1]])
  const confirmed = chosen.poisson
    ? await confirm({ ratePerSecond: rate, runMs, cv: chosen.cv, mix: mixed, slots: sizing.slots, requests: 50_000 })
    : undefined
  if (chosen.json)
    printJson({
      ...sizing,
      ...(confirmed && { confirmed: { ...confirmed, byPriority: Object.fromEntries(confirmed.byPriority) } }),
    })
  else show(sizing, chosen, confirmed)
  const isEnough = sizing.isEnough && sizing.memory.fits !== false && coresNeeded(chosen) <= coresOf(chosen)
  return isEnough ? Exit.OK : Exit.GATE
}

async function sized(chosen: Chosen, ratePerSecond: number, runMs: number): Promise<Sizing> {
  const { size: sizeOf } = await import('../../simulation/index.ts')
  const { mix: shares, goal, slots, maxQueueSize, payload, runMemory } = chosen
  try {
    return sizeOf({
      ...{ ratePerSecond, runMs, cv: chosen.cv, arrivalCv: chosen.arrivalCv, slots, maxQueueSize, cpuMs: chosen.cpu },
      ...{ goals: goal, payloadBytes: payload, runBytes: runMemory, overHttp: !chosen.library },
      cores: coresOf(chosen),
      memoryBytes: chosen.memory ?? memoryHere(),
      ...(shares !== undefined && { mix: Object.fromEntries(shares) }),
    })
  } catch (error) {
    // They can't do it at all: that is an answer, and no mistake in the question.
    const isTooFew = error instanceof OptionsError && error.path === 'slots'
    throw isTooFew ? new Fault(Exit.GATE, messageOf(error)) : usage(messageOf(error))
  }
}

function coresOf({ cores }: Chosen): number {
  return cores ?? availableParallelism()
}

/** What the runs compute in a second. */
function coresNeeded({ rate = 0, cpu = 0 }: Chosen): number {
  return (rate * cpu) / 1_000
}

/** A container may have less than the machine. */
function memoryHere(): number {
  const whole = totalmem()
  const granted = process.constrainedMemory()
  return granted > 0 ? Math.min(granted, whole) : whole
}

function show(sizing: Sizing, chosen: Chosen, confirmed: Confirmed | undefined): void {
  const paint = painter(process.stdout)
  const columns = columnsOf(process.stdout)
  const line = (label: string, value: string, more: string): void => {
    // What explains it stands beside it, or below where it is narrow.
    const isRoom = 11 + value.length + 2 + more.length <= columns
    print(`${paint('dim', label.padEnd(11))}${paint('bold', value)}${isRoom ? `  ${paint('dim', more)}` : ''}`)
    if (!isRoom) for (const each of wrapped(more, columns - 11)) print(`${' '.repeat(11)}${paint('dim', each)}`)
  }
  const { slots, load, minSlots, utilization, capacityPerSecond, maxQueueSize, refused, memory } = sizing
  line('load', `${digits(load)} slots`, `busy on average; at least ${count(minSlots)} to keep up`)
  line('slots', `--workers ${slots}`, `${percent(utilization)} busy; ${digits(capacityPerSecond)} a second at most`)
  const full = timeText(sizing.fullQueueMs)
  line('queue', `--max-queue-size ${maxQueueSize}`, `${percent(refused)} refused; full it is ${full} of work`)
  if (sizing.threads > 1) line('threads', `--threads ${sizing.threads}`, 'for what the function computes')
  if (sizing.processes > 1) line('shards', `--shards ${sizing.processes}`, 'so that no event loop is the limit')
  const room = memory.fits === false ? 'does not fit with a quarter to spare' : 'fits, with a quarter to spare'
  line('memory', sizeText(memory.totalBytes), `${sizeText(memory.baseBytes)} for the process; ${room}`)
  print('')
  for (const [i, row] of tableLines(waitRows(sizing, confirmed), columns, [3, 4, 1, 2]).entries()) {
    print(i === 0 ? paint('dim', row) : row)
  }
  print('')
  const kept = chosen.goal === undefined ? 'what is usual' : chosen.goal.join(', ')
  if (!sizing.isEnough)
    print(paint('red', wrapped(`It does not keep ${kept}: more slots, or a longer queue.`, columns).join('\n')))
  const [needed, cores] = [coresNeeded(chosen), coresOf(chosen)]
  if (needed > cores) {
    const short = `The runs take ${plural(Math.ceil(needed), 'processor')}, and there ${cores === 1 ? 'is' : 'are'} ${count(cores)}: more machines, or less to compute.`
    print(paint('red', wrapped(short, columns).join('\n')))
  }
  const notes = [...sizing.assumptions]
  if (confirmed !== undefined) {
    notes.push(`Simulated: ${plural(confirmed.requests, 'request')}, Poisson arrivals, on virtual time.`)
  }
  for (const note of notes) for (const each of wrapped(`· ${note}`, columns, '  ')) print(paint('dim', each))
}

function waitRows({ byPriority, wait }: Sizing, confirmed: Confirmed | undefined): string[][] {
  const tiers = Object.entries(byPriority) as [Priority, WaitEstimate][]
  const rows = tiers.map(([priority, own]) => [
    ...cells(priority, own),
    simulatedText(confirmed?.byPriority.get(priority)?.p99Ms),
  ])
  if (tiers.length > 1) rows.push([...cells('all', wait), simulatedText(confirmed?.p99Ms)])
  const head = ['wait', 'any', 'mean', 'p50', 'p95', 'p99', confirmed === undefined ? '' : 'simulated']
  return [head, ...rows].map((row) => row.slice(0, confirmed === undefined ? 6 : 7))
}

function cells(name: string, { waits, meanMs, p50Ms, p95Ms, p99Ms }: WaitEstimate): string[] {
  return [name, percent(waits), timeText(meanMs), timeText(p50Ms), timeText(p95Ms), timeText(p99Ms)]
}

function simulatedText(ms: number | undefined): string {
  return ms === undefined ? '' : timeText(ms)
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`
}

function digits(value: number): string {
  return (value >= 100 ? Math.round(value * 10) / 10 : Number(value.toPrecision(3))).toLocaleString('en-US')
}

/**
 * The report of a load, as text for a terminal and as Markdown.
 */
import { readGoal } from '../../simulation/goal.ts'
import { columnsOf, painter, print } from '../output.ts'
import { markdownTable, tableLines, wrapped } from '../table.ts'
import { count, duration } from '../words.ts'
import type { GateReport, LoadReport, TierReport, Times } from './report.ts'

type Rows = string[][]

export function showReport(title: string, report: LoadReport): void {
  const columns = columnsOf(process.stdout)
  const paint = painter(process.stdout)
  const say = (text: string): void => {
    for (const line of wrapped(text, columns, '  ')) print(line)
  }
  print('')
  // Where it is narrow, the tail of the latency is what is looked for.
  for (const [i, line] of tableLines(latencyRows(report), columns, [5, 7, 10, 1, 8, 4, 6]).entries()) {
    print(i === 0 ? paint('dim', line) : line)
  }
  if (report.all.wait !== undefined) {
    print('')
    for (const [i, line] of tableLines(waitRows(report), columns, [4, 2, 7, 1, 5, 3]).entries())
      print(i === 0 ? paint('dim', line) : line)
  }
  print('')
  say(title)
  for (const line of sentences(report)) say(line)
  for (const gate of report.gates)
    print(paint(gate.holds ? 'green' : 'red', wrapped(gateText(gate), columns, '  ').join('\n')))
}

export function showMarkdown(title: string, report: LoadReport): void {
  print(`${title}\n`)
  for (const line of markdownTable(latencyRows(report))) print(line)
  if (report.all.wait !== undefined) {
    print('')
    for (const line of markdownTable(waitRows(report))) print(line)
  }
  print('')
  for (const line of [...sentences(report), ...report.gates.map(gateText)]) print(`- ${line}`)
}

function latencyRows(report: LoadReport): Rows {
  const head = ['latency', 'sent', 'done', 'refused', 'failed', 'mean', 'p50', 'p90', 'p95', 'p99', 'max']
  return [head, ...tiersOf(report).map(([name, tier]) => latencyRow(name, tier))]
}

function latencyRow(name: string, { sent, done, refused, failed, latency }: TierReport): string[] {
  return [name, count(sent), count(done), count(refused), count(failed), ...timeCells(latency)]
}

function waitRows(report: LoadReport): Rows {
  const head = ['wait', 'told', 'mean', 'p50', 'p90', 'p95', 'p99', 'max']
  return [head, ...tiersOf(report).map(([name, { wait }]) => [name, count(wait?.count ?? 0), ...timeCells(wait)])]
}

/** All together last, where there are several. */
function tiersOf({ byPriority, all }: LoadReport): [string, TierReport][] {
  const tiers = Object.entries(byPriority)
  return tiers.length > 1 ? [...tiers, ['all', all]] : tiers
}

function timeCells(times: Times | undefined): string[] {
  if (times === undefined) return ['–', '–', '–', '–', '–', '–']
  const { meanMs, p50Ms, p90Ms, p95Ms, p99Ms, maxMs } = times
  return [meanMs, p50Ms, p90Ms, p95Ms, p99Ms, maxMs].map(duration)
}

function sentences({ askedPerSecond, sentPerSecond, donePerSecond, codes, lag }: LoadReport): string[] {
  const pace = (perSecond: number): string =>
    `${perSecond >= 100 ? count(perSecond) : Number(perSecond.toPrecision(3))}/s`
  const byCode = Object.entries(codes).map(([code, many]) => `${count(many)} ${code}`)
  const late =
    lag === undefined
      ? ''
      : `, which was late by ${duration(lag.p99Ms)} at most for 99 % (${duration(lag.maxMs)} for all)`
  return [
    `asked for ${pace(askedPerSecond)}, sent ${pace(sentPerSecond)}, done ${pace(donePerSecond)}`,
    ...(byCode.length > 0 ? [`not done: ${byCode.join(', ')}`] : []),
    `latency is from the intended start, not from when it was sent${late}`,
  ]
}

function gateText({ gate, holds, value }: GateReport): string {
  const why = value === undefined ? 'there are no samples' : `it is ${valueText(gate, value)}`
  return `gate ${gate}: ${holds ? 'holds' : 'BROKEN'}, ${why}`
}

function valueText(gate: string, value: number): string {
  const goal = readGoal(gate)
  if (goal?.statistic !== undefined) return duration(value)
  return goal?.of === 'rate' ? `${Number(value.toPrecision(4))}/s` : `${Number((value * 100).toPrecision(3))} %`
}

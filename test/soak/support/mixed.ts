/**
 * A part of the soak: the mixed load, in virtual time and on the system's clock in turns, and whether anything grows
 * meanwhile. Needs --expose-gc.
 */
import { Load } from './load.ts'
import type { MixedReport, PartOptions } from './report.ts'
import { collect, type Point, pointAt, resources, slopeOf } from './steady.ts'
import { systemTime, virtualTime } from './time.ts'

const POINTS = 50

export async function mixed(requests: number, { progress, leaks }: PartOptions): Promise<MixedReport> {
  // Stacks are most of the work otherwise, and say nothing here.
  Error.stackTraceLimit = 0
  // Before the resources are counted: the first line opens a pipe.
  progress(0)
  await collect()
  const resourcesBefore = resources()
  const loads = [new Load(virtualTime()), new Load(systemTime())]
  const points: Point[] = []
  const leaked: object[] = []
  let done = 0
  for (let i = 1; i <= POINTS; i++) {
    while (done < (i / POINTS) * requests) {
      for (const load of loads) await load.wave()
      const before = done
      done = loads.reduce((sum, { tally }) => sum + tally.requests, 0)
      if (leaks) for (let n = before; n < done; n++) leaked.push({ n })
    }
    points.push(await pointAt(done))
    progress(done)
  }
  const outcomes: Record<string, number> = {}
  for (const { tally } of loads) {
    for (const [name, count] of Object.entries(tally.outcomes)) outcomes[name] = (outcomes[name] ?? 0) + count
  }
  return {
    requests: done,
    points,
    heapSlope: slopeOf(points, ({ heapBytes }) => heapBytes),
    codeSlope: slopeOf(points, ({ codeBytes }) => codeBytes),
    outcomes,
    events: loads.reduce((sum, { lanes }) => sum + lanes.heard, 0),
    resourcesBefore,
    resourcesAfter: resources(),
  }
}

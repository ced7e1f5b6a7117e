/**
 * Does anything grow? The live heap at some points of a long run, and the straight line through them.
 *
 * Needs --expose-gc: what is measured is what is left after collections, not what waits to be collected.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'

/** The live heap after so many requests: objects, and compiled code beside them. */
export interface Point {
  readonly requests: number
  readonly heapBytes: number
  readonly codeBytes: number
}

export interface Slope {
  readonly bytesPerRequest: number
  /** Of that figure: how far it may be off by chance. */
  readonly standardError: number
}

/** Where V8 has the code that it compiles: it goes on with that for a million requests, and no request is kept there. */
const CODE_SPACES: readonly string[] = ['code_space', 'code_large_object_space', 'trusted_space']

/** Several turns: what a FinalizationRegistry lets go is collected only after its callbacks. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await nextTurn()
    globalThis.gc?.()
  }
}

export async function pointAt(requests: number): Promise<Point> {
  await collect()
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => CODE_SPACES.includes(space_name))
  const codeBytes = spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0)
  return { requests, heapBytes: process.memoryUsage().heapUsed - codeBytes, codeBytes }
}

/** What keeps the process alive, by kind: timers, sockets, ports, workers. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo().sort()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** By least squares over the last 80 % of the points: in the first, code is compiled and rings find their size. */
export function slopeOf(points: readonly Point[], bytesOf: (point: Point) => number): Slope {
  const used = points.slice(Math.round(points.length * 0.2))
  const mean = (of: (point: Point) => number): number => used.reduce((sum, point) => sum + of(point), 0) / used.length
  const meanX = mean(({ requests }) => requests)
  const meanY = mean(bytesOf)
  const squares = used.reduce((sum, { requests }) => sum + (requests - meanX) ** 2, 0)
  const products = used.reduce((sum, point) => sum + (point.requests - meanX) * (bytesOf(point) - meanY), 0)
  const bytesPerRequest = products / squares
  const errors = used.map((point) => bytesOf(point) - meanY - bytesPerRequest * (point.requests - meanX))
  const variance = errors.reduce((sum, error) => sum + error ** 2, 0) / (used.length - 2)
  return { bytesPerRequest, standardError: Math.sqrt(variance / squares) }
}

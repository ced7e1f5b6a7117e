/**
 * In whose AsyncLocalStorage context does it run? That of the one who submitted it.
 *
 * Since Node 24 a context is one frame, which an AsyncResource takes along. Only the frame is kept: the resource would be 49 bytes
 * more for each request that waits, and is made anew to enter it. Before, and wherever a resource does not show its frame, the
 * resource itself is kept.
 */
import { AsyncLocalStorage, type AsyncResource } from 'node:async_hooks'
import { QuietResource, withoutContext } from './without-context.ts'

/**
 * Does what an AsyncLocalStorage holds reach all that is awaited, at no cost to the rest of the process? Not on Node 22, nor with
 * `--no-async-context-frame`: their storages have to be enabled. Those of Bun have a method of that name, too, which does nothing.
 */
export const hasFrames = !('_enable' in AsyncLocalStorage.prototype) || 'bun' in process.versions

export interface Framed {
  [key: symbol]: unknown
}

/** Where an AsyncResource keeps its context frame; undefined where Node has no frames (before 24), or does not show them. */
export const frameKey = findFrameKey()

function findFrameKey(): symbol | undefined {
  if (!hasFrames) return undefined
  const probe = new AsyncLocalStorage<object>()
  const resource = probe.run({}, () => new QuietResource('TriageProbe')) as unknown as Framed
  const key = Object.getOwnPropertySymbols(resource).find((symbol) => symbol.description === 'context_frame')
  return key !== undefined && resource[key] !== undefined ? key : undefined
}

const entry = withoutContext(new QuietResource('TriageProbe'))

/** Calls a function in a context that was taken along. */
export function inContext<A, B, C, T>(
  context: unknown,
  call: (a: A, b: B, c: C) => T,
  self: unknown,
  a: A,
  b: B,
  c: C,
): T {
  if (frameKey === undefined) return (context as AsyncResource).runInAsyncScope(call, self, a, b, c)
  const framed = entry as unknown as Framed
  framed[frameKey] = context
  try {
    return entry.runInAsyncScope(call, self, a, b, c)
  } finally {
    // It is kept for nobody.
    framed[frameKey] = undefined
  }
}

/**
 * Which rejections did nobody hear? Node tells at the end of the turn in which they happened.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** The reasons of all promises that are rejected while `during` runs, and that nobody handles. */
export async function unhandledIn(during: () => Promise<unknown>): Promise<unknown[]> {
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  // The test runner listens too, and would fail for those that are wanted.
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', hear)
  try {
    await during()
    await nextTurn()
    await nextTurn()
  } finally {
    process.off('unhandledRejection', hear)
    for (const other of others) process.on('unhandledRejection', other)
  }
  return unheard
}

/**
 * What the second set of books of `debug` finds broken: thrown in a microtask, where nobody could catch it.
 */

import type { InvariantError } from 'triage-queue'
import { beforeEach, vi } from 'vitest'

/** Filled by whatever is broken in a test, and emptied before the next. */
export function collectBroken(): InvariantError[] {
  const broken: InvariantError[] = []
  beforeEach(() => {
    broken.length = 0
    vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((callback) => {
      try {
        callback()
      } catch (error) {
        broken.push(error as InvariantError)
      }
    })
  })
  return broken
}

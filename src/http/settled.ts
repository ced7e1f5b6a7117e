/**
 * How long does an answer wait for an end? Until it comes, or the time is over, or the client has gone, or the service closes.
 *
 * However often one end is waited for, it has one reaction: a client that polls a request that never ends leaves nothing behind.
 */

export type Settled =
  | { readonly as: 'completed'; readonly value: unknown }
  | { readonly as: 'failed'; readonly error: unknown }
  | { readonly as: 'time' | 'gone' | 'closing' }

type Tell = (how: Settled) => void

/** Who waits for which end. */
const waiting = new WeakMap<Promise<unknown>, Set<Tell>>()

function waitersOf(end: Promise<unknown>): Set<Tell> {
  const known = waiting.get(end)
  if (known !== undefined) return known
  const waiters = new Set<Tell>()
  waiting.set(end, waiters)
  const tellAll = (how: Settled): void => {
    waiting.delete(end)
    for (const tell of waiters) tell(how)
  }
  end.then(
    (value) => tellAll({ as: 'completed', value }),
    (error: unknown) => tellAll({ as: 'failed', error }),
  )
  return waiters
}

/** Nothing of it is left when it has fulfilled. */
export function settled(
  end: Promise<unknown>,
  withinMs: number,
  client: AbortSignal,
  closing: AbortSignal,
): Promise<Settled> {
  return new Promise((resolve) => {
    const waiters = waitersOf(end)
    const tell: Tell = (how) => {
      clearTimeout(timer)
      waiters.delete(tell)
      client.removeEventListener('abort', hasGone)
      closing.removeEventListener('abort', closes)
      resolve(how)
    }
    const hasGone = (): void => tell({ as: 'gone' })
    const closes = (): void => tell({ as: 'closing' })
    const timer = setTimeout(() => tell({ as: 'time' }), withinMs)
    waiters.add(tell)
    client.addEventListener('abort', hasGone)
    closing.addEventListener('abort', closes)
    if (client.aborted) hasGone()
    else if (closing.aborted) closes()
  })
}

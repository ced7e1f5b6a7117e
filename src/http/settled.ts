/**
 * How long does an answer wait for an end? Until it comes, or the time is over, or the client has gone, or the service closes.
 */

export type Settled =
  | { readonly as: 'completed'; readonly value: unknown }
  | { readonly as: 'failed'; readonly error: unknown }
  | { readonly as: 'time' | 'gone' | 'closing' }

/** Nothing of it is left when it has fulfilled, but for its two reactions to the end. */
export function settled(
  end: Promise<unknown>,
  withinMs: number,
  client: AbortSignal,
  closing: AbortSignal,
): Promise<Settled> {
  return new Promise((resolve) => {
    const tell = (how: Settled): void => {
      clearTimeout(timer)
      client.removeEventListener('abort', hasGone)
      closing.removeEventListener('abort', closes)
      resolve(how)
    }
    const hasGone = (): void => tell({ as: 'gone' })
    const closes = (): void => tell({ as: 'closing' })
    const timer = setTimeout(() => tell({ as: 'time' }), withinMs)
    end.then(
      (value) => tell({ as: 'completed', value }),
      (error: unknown) => tell({ as: 'failed', error }),
    )
    client.addEventListener('abort', hasGone)
    closing.addEventListener('abort', closes)
    if (client.aborted) hasGone()
    else if (closing.aborted) closes()
  })
}

/**
 * Shall it be sent requests, and does it work at all? For the probes of whatever runs the process. Step 7 of 7.
 */

/**
 * Why it is not ready, in words that stay the same: its start of requests is `'paused'`; it is a `'lameDuck'` that serves and is
 * about to close; it is `'closing'`, or `'closed'`; every slot is `'stuck'`, held by a call that is over its time and has not
 * settled; or its `'store'` refuses what comes, since the disk does not do what it should.
 */
export type HealthReason = 'paused' | 'lameDuck' | 'closing' | 'closed' | 'stuck' | 'store'

/** What `health()` answers. */
export interface ExecutorHealth {
  /** False: no request can run, and none will until a call settles that is over its time. A new process helps. */
  readonly live: boolean
  /**
   * False: send new requests elsewhere. A full queue is ready: it refuses by priority, and a load balancer that sends nothing at
   * all would keep the urgent out.
   */
  readonly ready: boolean
  /** Why it is not ready, or not live; empty when it is both. */
  readonly reasons: readonly HealthReason[]
}

/** Whom to ask. */
export interface HealthSources {
  readonly closing: { readonly isLame: boolean; readonly begun: boolean; readonly closed: boolean }
  readonly dispatch: { readonly paused: boolean }
  /** How many slots can be used: one that is stuck can't, but for its substitute. */
  readonly slots: { readonly usable: number }
  readonly keeper: { readonly isDown: boolean } | undefined
}

export function healthOf({ closing, dispatch, keeper, slots }: HealthSources): ExecutorHealth {
  if (closing.closed) return { live: true, ready: false, reasons: ['closed'] }
  const reasons: HealthReason[] = []
  if (dispatch.paused) reasons.push('paused')
  if (closing.begun) reasons.push('closing')
  else if (closing.isLame) reasons.push('lameDuck')
  if (keeper?.isDown) reasons.push('store')
  const live = slots.usable > 0
  if (!live) reasons.push('stuck')
  return { live, ready: reasons.length === 0, reasons }
}

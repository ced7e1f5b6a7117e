/**
 * What does a call take lately, and how sure is that? The mean of the windows since the limit has moved, or the
 * downstream has changed. A part of `adaptive()`.
 */

/** The mean is of the last windows, of about so many. */
const MOST_WINDOWS = 8
/** In standard errors: more than one, since what `ms` is compared with is no more certain. */
const NOISE = 2
/** More windows than these do not make that comparison more certain: its other side stays as it is. */
const CERTAIN_WINDOWS = 3
/** A window so many standard errors off is from another downstream, and what was before does not count any more. */
const SURPRISE = 2.5

interface WindowMeans {
  readonly inflight: number
  readonly runMs: number
  readonly uncertainty: number
}

export class UsualRun {
  /** How long a run takes; 0: not known yet. */
  ms = 0
  /** How many ran meanwhile. */
  inflight = 0
  /** How many windows that is the mean of. */
  windows = 0
  /** Of one window's mean run time: the square of its relative standard error. */
  #uncertainty = 0

  add(window: WindowMeans): void {
    const { inflight, runMs, uncertainty } = window
    if (this.ms === 0) this.#uncertainty = uncertainty
    const surprise = SURPRISE * Math.sqrt(this.#uncertainty)
    if (this.ms === 0 || Math.abs(runMs / this.ms - 1) > surprise) this.startAnew(window)
    this.windows++
    const share = 1 / Math.min(this.windows + 1, MOST_WINDOWS)
    this.ms = mix(this.ms, runMs, share)
    this.inflight = mix(this.inflight, inflight, share)
    this.#uncertainty = mix(this.#uncertainty, uncertainty, 0.1)
  }

  /** Of what was known before, only the spread counts. */
  startAnew({ inflight, runMs }: WindowMeans): void {
    this.ms = runMs
    this.inflight = inflight
    this.windows = 0
  }

  /** The limit is another one: from now on the new windows count for more. */
  moved(): void {
    this.windows = 0
  }

  /** By what share `ms` may be wrong, at most 1. */
  get noise(): number {
    return Math.min(1, NOISE * Math.sqrt(this.#uncertainty / Math.min(this.windows + 1, CERTAIN_WINDOWS)))
  }
}

export function mix(old: number, fresh: number, share: number): number {
  return old + (fresh - old) * share
}

/**
 * For how long was it paused? What a request has waited since then is not the fault of the load. Step 2 of 7.
 */

interface Pause {
  readonly from: number
  /** Infinity: it goes on. */
  to: number
}

/** More are not told apart: the two oldest become one, and the time between them counts as paused, too. */
const MOST_PAUSES = 64

export class Pauses {
  // The oldest first.
  readonly all: Pause[] = []

  begin(now: number): void {
    this.all.push({ from: now, to: Number.POSITIVE_INFINITY })
    if (this.all.length <= MOST_PAUSES) return
    const [first, second] = this.all as [Pause, Pause]
    this.all.splice(0, 2, { from: first.from, to: second.to })
  }

  end(now: number): void {
    const last = this.all.at(-1)
    if (last !== undefined) last.to = now
  }

  /** Nothing waits any more that was there during a pause. */
  forget(): void {
    const last = this.all.at(-1)
    this.all.length = 0
    if (last?.to === Number.POSITIVE_INFINITY) this.all.push(last)
  }

  /** How many ms of the time from then until now. */
  msSince(since: number, now: number): number {
    let ms = 0
    for (let i = this.all.length - 1; i >= 0; i--) {
      const { from, to } = this.all[i] as Pause
      if (to <= since) break
      ms += Math.min(to, now) - Math.max(from, since)
    }
    return Math.max(ms, 0)
  }
}

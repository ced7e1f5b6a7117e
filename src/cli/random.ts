/**
 * Numbers that look random, and are the same for the same seed: so that a run can be repeated.
 *
 * @see https://github.com/bryc/code/blob/master/jshash/PRNGs.md (mulberry32, public domain)
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The times between independent arrivals. */
export function exponential(random: () => number, mean: number): number {
  return -mean * Math.log(1 - random())
}

/** One of them, by their shares. */
export function pickBy<T>(shares: ReadonlyMap<T, number>, random: () => number): T {
  let rest = random() * [...shares.values()].reduce((sum, share) => sum + share, 0)
  let last: T | undefined
  for (const [value, share] of shares) {
    last = value
    rest -= share
    if (rest < 0) break
  }
  return last as T
}

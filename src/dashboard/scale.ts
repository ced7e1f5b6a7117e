/**
 * Where does an axis end, and where do lines begin and end? Numbers alone, without a canvas.
 */

const steps = [1, 1.2, 1.5, 2, 3, 4, 6, 8, 10]

/** The first of 1, 1.2, 1.5, 2, 3, 4, 6, 8 × 10ⁿ that is no less. */
export function topOf(most: number): number {
  if (!(most > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  const step = steps.find((each) => each * power >= most * 0.999_999) ?? 10
  return Number((step * power).toPrecision(3))
}

/** The same of what is counted: even, so that there is something whole half-way. */
export function countTopOf(most: number): number {
  return 2 * Math.ceil(topOf(most) / 2)
}

/** Whole decades around what is shown, in ms; from 10 ms to 1 s where there is nothing. */
export function decadesOf(values: readonly (number | null)[]): readonly [number, number] {
  let least = Number.POSITIVE_INFINITY
  let most = 0
  for (const value of values) {
    if (value === null || !(value > 0)) continue
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  if (most === 0) return [10, 1_000]
  const from = 10 ** Math.floor(Math.log10(least))
  const to = 10 ** Math.ceil(Math.log10(most * 1.000_001))
  return [from, to <= from ? from * 10 : to]
}

/** Where labels stand that want to be at `wanted`, in that order, at least `apart` from each other, between `from` and `to`. */
export function spread(wanted: readonly number[], apart: number, from: number, to: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] as number) - (wanted[b] as number))
  const placed = [...wanted]
  let last = from - apart
  for (const index of order) {
    last = Math.max(placed[index] as number, last + apart)
    placed[index] = last
  }
  let next = to + apart
  for (const index of order.reverse()) {
    next = Math.min(placed[index] as number, next - apart)
    placed[index] = next
  }
  return placed
}

/** What each should have of a capacity, by weight, if none has more than it asks for: progressive filling. */
export function maxMin(
  capacity: number,
  demands: readonly number[],
  weights: readonly number[] = demands.map(() => 1),
): number[] {
  const given = demands.map(() => 0)
  let open = demands.map((_, i) => i)
  let left = capacity
  while (open.length > 0) {
    const weight = open.reduce((sum, i) => sum + (weights[i] as number), 0)
    const level = left / weight
    const full = open.filter((i) => (demands[i] as number) <= level * (weights[i] as number))
    for (const i of full.length > 0 ? full : open) {
      given[i] = full.length > 0 ? (demands[i] as number) : level * (weights[i] as number)
      left -= given[i] as number
    }
    open = full.length > 0 ? open.filter((i) => !full.includes(i)) : []
  }
  return given
}

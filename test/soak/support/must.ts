/** What the soak demands at each of its steps; the first broken promise ends it. */
export function must(holds: boolean, otherwise: () => string): void {
  if (!holds) throw new Error(otherwise())
}

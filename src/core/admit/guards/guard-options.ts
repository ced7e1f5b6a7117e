/**
 * What may a guard be told, and how is a number of it shown? Step 2 of 7.
 */
import { numberThat } from '../../checks.ts'

export const positiveMs = /* @__PURE__ */ numberThat(
  'a finite number of ms greater than 0',
  (value) => value > 0 && Number.isFinite(value),
)

export const fromZero = /* @__PURE__ */ numberThat(
  'a finite number of at least 0',
  (value) => value >= 0 && Number.isFinite(value),
)

/** A number as an explanation shows it. */
export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

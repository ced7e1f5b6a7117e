/**
 * What many mixes come to: plain numbers, for the report.
 */
import { type Claim, claims, type MixResult, type Verdict } from '../mixes.ts'

/** One promise, of all mixes of which it was judged. */
export interface ClaimResult {
  readonly claim: Claim
  /** How many mixes, and how many of those broke it. */
  readonly mixes: number
  readonly broken: number
  /** How many single promises: one for each tier. */
  readonly promises: number
  /** What came nearest to breaking it, or broke it by most. */
  readonly worst: { readonly seed: number; readonly value: number } | undefined
}

export function byClaim(results: readonly MixResult[]): ClaimResult[] {
  return claims.map((claim) => {
    const judged = results
      .map(({ seed, verdicts }) => ({ seed, verdicts: verdicts.filter((verdict) => verdict.claim === claim) }))
      .filter(({ verdicts }) => verdicts.length > 0)
    const all = judged.flatMap(({ seed, verdicts }) => verdicts.map((verdict) => ({ seed, verdict })))
    // A count of answers, as of a tier that must not starve, is not comparable with a part.
    const comparable = all.filter(({ verdict }) => verdict.atLeast !== 1)
    const [worst] = comparable.sort((a, b) => badness(b.verdict) - badness(a.verdict))
    return {
      ...{ claim, mixes: judged.length, promises: all.length },
      broken: judged.filter(({ verdicts }) => verdicts.some(({ holds }) => !holds)).length,
      worst: worst === undefined ? undefined : { seed: worst.seed, value: worst.verdict.value },
    }
  })
}

function badness({ value, atLeast }: Verdict): number {
  return atLeast === undefined ? value : -value
}

/** By one of their options: how many mixes there are, and how many keep all that is judged of them. */
export function byOption(
  results: readonly MixResult[],
  optionOf: (result: MixResult) => string,
): { option: string; mixes: number; broken: number }[] {
  const rows = new Map<string, { option: string; mixes: number; broken: number }>()
  for (const result of results) {
    const option = optionOf(result)
    const row = rows.get(option) ?? { option, mixes: 0, broken: 0 }
    row.mixes++
    if (result.verdicts.some(({ holds }) => !holds)) row.broken++
    rows.set(option, row)
  }
  return [...rows.values()]
}

export function shown({ claim, tier, value, atLeast }: Verdict): string {
  if (claim === 'urgent' || claim === 'tenant') return `${claim} ${tier} ${(100 * value).toFixed(1)} % in time`
  if (claim === 'weighted') return `${tier} is ${(100 * value).toFixed(1)} % off its share`
  return atLeast === undefined ? `${tier} waits ${value.toFixed(2)} of its bound` : `${tier} has ${value} answers`
}

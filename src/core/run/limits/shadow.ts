/**
 * Which limit would it set? Learn first, act later: the policy sees every sample, its answer is only shown (`getStatus()`),
 * and `concurrency` holds. Step 4 of 7.
 *
 * What it reports is what it has seen: calls beyond `concurrency` never ran, so a limit much above it is no measurement,
 * and one below it was never tried.
 */
import { misfit } from '../../checks.ts'
import { takeIntoService } from '../../policy.ts'
import { aLimit, type LimitPolicy } from '../limit.ts'

/**
 * The same policy, only reported: see `getStatus()`. The policy must not serve another executor.
 * @throws {OptionsError} for what is no limit policy
 */
export function shadow(policy: LimitPolicy): LimitPolicy {
  if (!aLimit.fits(policy)) throw misfit('policy', aLimit, policy)
  const { name, initial, remembers } = policy
  takeIntoService({ name: 'shadow' }, [['policy', policy]])
  const observed: LimitPolicy = {
    name,
    option: 'limit',
    remembers,
    initial,
    shadow: true,
    sample: (sample) => policy.sample(sample),
  }
  return policy.isDropped === undefined
    ? observed
    : { ...observed, isDropped: (error) => policy.isDropped?.(error) ?? false }
}

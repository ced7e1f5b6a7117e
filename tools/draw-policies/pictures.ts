/**
 * Which pictures are there? Each is drawn from runs of the real classes on virtual time.
 */
import { limitStep } from './limit-step.ts'
import { noisyTenant } from './noisy-tenant.ts'
import { overloaded } from './overloaded.ts'
import { reserved } from './reserved.ts'
import { shares } from './shares.ts'
import { starvation } from './starvation.ts'

/** By the name of its file in `docs/policies`. */
export const pictures: { readonly [file: string]: () => Promise<string> } = {
  'aging.svg': starvation,
  'weighted.svg': shares,
  'fair-by.svg': noisyTenant,
  'limits.svg': limitStep,
  'overload.svg': overloaded,
  'reserve.svg': reserved,
}

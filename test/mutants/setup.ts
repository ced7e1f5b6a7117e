/**
 * Tests, as mutants need them: the same cases for each mutant, and no search for a smaller one once a mutant is found.
 */
import fc from 'fast-check'
import { inject, vi } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Stryker's: which mutant this run is about; none when it looks which tests cover which. */
    activeMutant: string | undefined
  }
}

fc.configureGlobal({ endOnFailure: true, seed: 1 })

// The files of that first run share their modules, and would each report what all before them have covered.
if (inject('activeMutant') === undefined) {
  vi.resetModules()
  delete (globalThis as { __stryker__?: { mutantCoverage?: object } }).__stryker__?.mutantCoverage
}

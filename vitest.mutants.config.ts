/**
 * The tests that Stryker runs on each mutant of `src/core`: those of the core itself. `MUTATE_TESTS`, a list of patterns,
 * leaves out more. (Stryker's own `--testFiles` does that too, but then never activates the mutants of what runs when a
 * module is loaded: they all seem to survive.)
 */
import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import shared from './vitest.config.ts'

const tests =
  process.env.MUTATE_TESTS ?? 'test/{core,laws,failures}/**/*.test.ts test/simulation/{seeds,virtual-clock}.test.ts'

// Merging appends to `include`, and of the tests of everything none must stay.
export default mergeConfig(
  { ...shared, test: { ...shared.test, include: [] } },
  defineConfig({
    test: {
      include: tests.split(' '),
      // The files of a run share the modules (no two runs do): to import the library for each is half the time of a mutant.
      isolate: false,
      testTimeout: 15_000,
      setupFiles: [fileURLToPath(new URL('test/mutants/setup.ts', import.meta.url))],
    },
  }),
)

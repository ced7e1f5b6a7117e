/**
 * The tests as always, but with the bug that the environment variable `MUTANT` names.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'
import { mutants } from './mutants.ts'
import { root } from './support/child.ts'

const mutant = mutants.find(({ name }) => name === process.env.MUTANT)

// biome-ignore lint/style/noDefaultExport: Vitest wants it so.
export default mergeConfig(
  base,
  defineConfig({
    root,
    // What was transformed with one bug must not be used again with another.
    test: { testTimeout: 60_000, fsModuleCache: false },
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        load(id) {
          if (mutant === undefined || id !== join(root, mutant.file)) return undefined
          return readFileSync(id, 'utf8').replace(mutant.find, () => mutant.replace)
        },
      },
    ],
  }),
)

/**
 * Which test finds a bug that no simulated schedule has found?
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Mutant } from '../mutant.ts'
import { root, runNode, withFolder } from './child.ts'

const LIMIT_MS = 300_000

/** The tests that are asked: first the one that should know, then those of the same part, then all others of the core. */
function passesFor({ file, test }: Mutant): string[][] {
  const own = file.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts')
  const isThere = existsSync(join(root, own))
  const near = test ?? (isThere ? own : `${dirname(own)}/`)
  return [[near], ['test/core/'], ['test/failures/', 'test/laws/', 'test/properties/']]
}

/** The first test that fails with a bug; undefined: none does. */
export async function testThatFinds(mutant: Mutant): Promise<string | undefined> {
  for (const files of passesFor(mutant)) {
    const found = await firstFailure(files, mutant.name)
    if (found !== undefined) return found
  }
  return undefined
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[]
  }[]
}

/** Runs test files, with a bug or without any; the first test that fails, as `file: its name`. */
export function firstFailure(files: readonly string[], mutant = ''): Promise<string | undefined> {
  return withFolder(async (folder) => {
    const output = join(folder, 'result.json')
    const { code, hangs, stderr } = await runNode(
      [
        ...['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/mutants/vitest.config.ts', '--bail', '1'],
        ...['--maxWorkers', '1', '--reporter', 'json', '--outputFile', output, ...files],
      ],
      LIMIT_MS,
      { MUTANT: mutant },
    )
    if (hangs) return `${files[0]}: it hangs`
    if (code === 0) return undefined
    if (!existsSync(output)) throw new Error(`The tests did not run: ${stderr}`)
    const { testResults } = JSON.parse(readFileSync(output, 'utf8')) as Report
    // Files that were given up for another's failure have failed, too, but none of their tests has.
    for (const { name, assertionResults } of testResults) {
      const test = assertionResults.find(({ status }) => status === 'failed')
      if (test !== undefined) return `${relative(root, name)}: ${test.title}`
    }
    const broken = testResults.find(({ status }) => status === 'failed')
    return broken === undefined
      ? `${files[0]}: an error outside of all tests`
      : `${relative(root, broken.name)}: it does not load`
  })
}

/**
 * In how many simulated schedules is a bug found?
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Patch } from '../../support/patch-source.ts'
import { runNode, withFolder } from './child.ts'

export interface Simulated {
  /** The seeds of the schedules that have failed. */
  readonly failed: readonly number[]
  /** What the first of them says. */
  readonly what: string
  /** The process came to no end, or to an early one: so the bug was found, and nobody knows in how many schedules. */
  readonly ends: 'well' | 'hangs' | 'crashes'
}

/** Plays schedules 1 to `schedules`, with a bug or without any. */
export function simulate(patch: Patch | undefined, schedules: number, limitMs: number): Promise<Simulated> {
  return withFolder(async (folder) => {
    const [given, result] = [join(folder, 'patch.json'), join(folder, 'result.json')]
    const args = ['test/simulation/prove.ts', '--schedules', `${schedules}`, '--workers', '1', '--keep-going']
    if (patch !== undefined) {
      const { file, find, replace } = patch
      writeFileSync(given, JSON.stringify({ file, find, replace }))
      args.push('--patch', given)
    }
    const { code, hangs, stderr } = await runNode([...args, '--json', result], limitMs)
    if (hangs) return { failed: [], what: 'it hangs', ends: 'hangs' }
    const violations = readViolations(result)
    if (violations === undefined) return { failed: [], what: `exit code ${code}: ${stderr}`, ends: 'crashes' }
    return { failed: violations.map(({ seed }) => seed), what: violations[0]?.what ?? '', ends: 'well' }
  })
}

function readViolations(file: string): { seed: number; what: string }[] | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).violations
  } catch {
    return undefined
  }
}

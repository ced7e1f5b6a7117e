/**
 * How is it measured without a compiler? Node strips types by WebAssembly, which `--jitless` does not have. So the sources are
 * stripped beforehand, into a copy whose modules are JavaScript.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
// Inside of the checkout, so that packages are found.
const folder = join(import.meta.dirname, 'results', 'stripped')

let isMade = false

/** The stripped copy of a file of `bench/`. */
export function stripped(name: string): string {
  if (!isMade) strip()
  isMade = true
  return join(folder, 'bench', name.replace(/\.ts$/, '.js'))
}

function strip(): void {
  const measured = process.env.BENCH_CHECKOUT ?? root
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  for (const [from, pattern] of [
    [measured, 'src/**/*.ts'],
    [root, 'bench/**/*.ts'],
    [root, 'test/support/*.ts'],
  ] as const) {
    for (const name of globSync(pattern, { cwd: from, exclude: ['bench/results'] })) {
      const target = join(folder, name.replace(/\.ts$/, '.js'))
      mkdirSync(dirname(target), { recursive: true })
      const source = stripTypeScriptTypes(readFileSync(join(from, name), 'utf8'))
      writeFileSync(target, source.replaceAll(/(?<=['"][^'"\n]*)\.ts(?=['"])/g, '.js'))
    }
  }
}

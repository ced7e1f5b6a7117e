/**
 * Puts a bug into one of the sources as it is loaded: to see whether what checks the sources finds it.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** In `file`, relative to the package, the first `find` becomes `replace`. */
export interface Patch {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** @throws {Error} at once, when the file does not have what is to be replaced */
export function patchSource({ file, find, replace }: Patch): void {
  const url = new URL(`../../${file}`, import.meta.url)
  const source = readFileSync(url, 'utf8')
  if (!source.includes(find)) throw new Error(`The patch does not fit: ${file} has no ${JSON.stringify(find)}`)
  const patched = source.replace(find, () => replace)
  registerHooks({
    load(name, context, next) {
      if (name !== url.href) return next(name, context)
      return { format: 'module-typescript', source: patched, shortCircuit: true }
    },
  })
}

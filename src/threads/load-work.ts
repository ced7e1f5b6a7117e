/**
 * The user's file, in a thread: its function.
 */
import { OptionsError } from '../core/errors.ts'
import type { Work } from './wire.ts'

export type Loaded = (...given: unknown[]) => unknown

/**
 * What a module exports by that name. Of CommonJS `module.exports` is its default.
 * @throws {OptionsError} when that is no function; whatever the file itself throws
 */
export async function loadWork({ file, exportName }: Work): Promise<Loaded> {
  const module: Record<string, unknown> = await import(file)
  const inner = module.default as Record<string, unknown> | undefined
  // What a transpiler makes of `export default` in CommonJS.
  const found = module[exportName] ?? inner?.[exportName]
  const loaded = typeof found === 'object' && found !== null && 'default' in found ? found.default : found
  if (typeof loaded === 'function') return loaded as Loaded
  throw new OptionsError('file', `one that exports a function as '${exportName}'`, file)
}

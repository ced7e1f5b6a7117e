/**
 * Is piscina installed? Asked when `threads()` is called, so that loading us does not load it.
 */
import { createRequire } from 'node:module'
import type { Worker } from 'node:worker_threads'
import { OptionsError } from '../core/errors.ts'

/** What is used of piscina, whose types are not imported: it is an optional peer. */
export interface Piscina {
  readonly threads: readonly Worker[]
  run(task: unknown, options: { readonly signal: AbortSignal }): Promise<unknown>
  destroy(): Promise<void>
  on(event: 'message' | 'error' | 'workerCreate', listener: (about: unknown) => void): unknown
}

interface PiscinaClass {
  new (options: object): Piscina
  readonly version: string
}

const INSTALL = 'npm install piscina'

/** @throws {OptionsError} in one line, with what to do, when it is not there or too old */
export function piscina(): PiscinaClass {
  const require = createRequire(import.meta.url)
  try {
    require.resolve('piscina')
  } catch {
    throw refusal(`threads() needs piscina, which is not installed: ${INSTALL}`, undefined)
  }
  const { Piscina } = require('piscina') as { readonly Piscina: PiscinaClass }
  const { version } = Piscina
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major * 1e6 + minor * 1e3 + patch >= 5_003_002) return Piscina
  throw refusal(`threads() needs piscina 5.3.2 or newer, and this is ${version}: ${INSTALL}`, version)
}

function refusal(message: string, found: string | undefined): OptionsError {
  return new OptionsError('piscina', 'version 5.3.2 or newer', found, undefined, message)
}

/**
 * The library that fails calls, made anew by the compiler of the system.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** @throws {Error} a line that says what to install */
export function makeLibrary(folder: string): string {
  if (process.platform !== 'linux') throw new Error('npm run test:faults needs Linux: it preloads a library')
  const library = join(folder, 'failing.so')
  const source = join(import.meta.dirname, 'failing.c')
  const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-O1', '-fPIC', '-shared', '-o', library, source, '-ldl']
  const { error, status, stderr } = spawnSync('cc', flags, { encoding: 'utf8' })
  if (error !== undefined) {
    throw new Error('npm run test:faults needs a C compiler: apt-get install gcc libc6-dev')
  }
  if (status !== 0) {
    const hint = /stdio\.h|dlfcn\.h/.test(stderr) ? ' (its headers: apt-get install libc6-dev)' : ''
    throw new Error(`cc has refused failing.c${hint}: ${stderr}`)
  }
  return library
}

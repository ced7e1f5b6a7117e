/**
 * What `tools/matrix` has: the runners, runtimes and bundlers that the built package is tried with. It is a package of its own, with
 * a lock of its own, so that the project's node_modules stays small.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')
export const folder = join(import.meta.dirname, 'matrix')
export const modules = join(folder, 'node_modules')
/** For what is made anew each time. */
export const cells = join(folder, '.cells')

/**
 * Installs what the lock says, and puts the package beside it, as it was built.
 * @throws when there is no build, or nothing could be installed
 */
export function install(): void {
  if (!existsSync(join(root, 'dist', 'index.js'))) throw new Error('There is no dist: npm run build comes first')
  // `npm ci` itself would install anew what is there already.
  const installed = join(modules, '.of-lock.json')
  const lock = join(folder, 'package-lock.json')
  if (!existsSync(installed) || readFileSync(installed, 'utf8') !== readFileSync(lock, 'utf8')) {
    const { status } = spawnSync('npm', ['ci'], { cwd: folder, stdio: 'inherit', env: inherited() })
    if (status !== 0) throw new Error(`npm ci in tools/matrix ended with ${status}`)
    cpSync(lock, installed)
  }
  const ours = join(modules, manifest.name)
  rmSync(ours, { recursive: true, force: true })
  mkdirSync(ours)
  for (const name of ['dist', 'package.json']) cpSync(join(root, name), join(ours, name), { recursive: true })
  for (const name of Object.keys(manifest.dependencies)) {
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true })
  }
}

/** The Node of that name. */
export function nodeOf(name: string): string {
  return join(modules, `${name}-${process.arch}`, 'bin', 'node')
}

/** Not the settings of the npm that runs us, nor those of a test runner around us. */
export function inherited(): NodeJS.ProcessEnv {
  const not =
    /^(npm_(?!config_).*|npm_config_(local_)?prefix|NODE_OPTIONS|NODE_TEST_CONTEXT|VITEST.*|JEST.*|FORCE_COLOR)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !not.test(key)))
}

/** One thing that is tried: a process that must end with 0. */
export interface Cell {
  readonly name: string
  readonly command?: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** What its output must not have in it. */
  readonly never?: RegExp
}

/** Tries each, says so, and lets the process end with 1 if one has failed. */
export function tryAll(all: readonly Cell[]): void {
  const failed = all.filter((cell) => !passes(cell))
  if (failed.length === 0) return
  console.error(`FAILED: ${failed.map(({ name }) => name).join('; ')}`)
  process.exitCode = 1
}

function passes({ name, command = process.execPath, args, cwd = folder, env, never }: Cell): boolean {
  const began = performance.now()
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...inherited(), NO_COLOR: '1', ...env },
    timeout: 900_000,
  })
  const ok = status === 0 && never?.test(stdout + stderr) !== true
  if (!ok) console.log(`${stdout}${stderr}${error ?? signal ?? ''}`)
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name} (${((performance.now() - began) / 1_000).toFixed(1)} s)`)
  return ok
}

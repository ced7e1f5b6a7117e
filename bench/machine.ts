/**
 * Where and with what was it measured?
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { fromDist } from './library.ts'

const root = join(import.meta.dirname, '..')

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: string
  readonly system: string
  readonly node: string
  readonly v8: string
  readonly measured: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    measured: `triage-queue ${versionOf('.')}, ${fromDist ? 'dist/index.js' : 'src/index.ts'}${commit()}`,
  }
}

export function machineLines(machine: Machine): string {
  const { cpu, cores, memory, system, node, v8, measured } = machine
  return [`${cpu}, ${cores} cores, ${memory}, ${system}`, `Node ${node}, V8 ${v8}`, measured].join('\n')
}

/** The version of an installed package; of the library itself for '.'. */
export function versionOf(name: string): string {
  const folder = name === '.' ? root : join(root, 'node_modules', name)
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--', 'src') === '' ? '' : ', with changes'
    return ` at ${git('rev-parse', '--short', 'HEAD')}${changed}`
  } catch {
    // Not a clone.
    return ''
  }
}

/**
 * The processes that are running. Each has a group of its own: what it has started ends with it, and a Ctrl-C in the terminal comes to
 * us alone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { constants as system } from 'node:os'
import { delimiter, join } from 'node:path'
import { environment } from '../../core/environment.ts'
import { cannot, messageOf } from '../fault.ts'

/** How one has ended. */
export interface ChildEnd {
  readonly exitCode: number
  /** 0: it has ended by itself. */
  readonly signal: number
  readonly out: Buffer
  readonly err: Buffer
  /** Why it was ended by us, or could not be started. */
  readonly why: string | undefined
}

export interface ChildLimits {
  readonly timeoutMs: number
  /** How much it may write, in bytes: it is kept until it is printed. */
  readonly maxOutput: number
}

/** From the request to end until it has to. */
const KILL_MS = 2_000

export class Children {
  readonly #live = new Set<ChildProcess>()

  /** Runs a command to its end. Aborted, it is ended, with all that it has started. */
  run(words: readonly string[], limits: ChildLimits, signal: AbortSignal): Promise<ChildEnd> {
    const [command = '', ...args] = words
    return new Promise((resolve) => {
      // detached: a group of its own.
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      this.#live.add(child)
      const out: Buffer[] = []
      const err: Buffer[] = []
      let bytes = 0
      let why: string | undefined
      const end = (reason: string): void => {
        why ??= reason
        this.#end(child)
      }
      const keeps = (chunks: Buffer[]) => (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > limits.maxOutput) end('it has written more than --max-output')
        else chunks.push(chunk)
      }
      const aborted = (): void => end('it was ended')
      const timer =
        limits.timeoutMs === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(end, limits.timeoutMs, 'it took longer than --timeout')
      const settle = (exitCode: number, name: NodeJS.Signals | null): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        this.#live.delete(child)
        resolve({
          exitCode,
          signal: name === null ? 0 : system.signals[name],
          out: Buffer.concat(out),
          err: Buffer.concat(err),
          why,
        })
      }
      child.stdout.on('data', keeps(out))
      child.stderr.on('data', keeps(err))
      child.on('error', (error) => {
        if (child.pid !== undefined) return
        why = messageOf(error)
        settle(127, null)
      })
      // What it has started may have its own idea of when to end.
      child.on('exit', () => {
        if (why !== undefined) kill(child, 'SIGKILL')
      })
      child.on('close', (code, name) => {
        if (child.pid !== undefined) settle(code ?? 0, name)
      })
      if (signal.aborted) aborted()
      else signal.addEventListener('abort', aborted, { once: true })
    })
  }

  /** At once, for when nobody can wait any more. */
  killAll(): void {
    for (const child of this.#live) kill(child, 'SIGKILL')
  }

  #end(child: ChildProcess): void {
    kill(child, 'SIGTERM')
    setTimeout(() => kill(child, 'SIGKILL'), KILL_MS).unref()
  }
}

function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // There is nobody left in the group.
  }
}

/** Looks for it in PATH before anything is begun. @throws {Fault} */
export function requireCommand(command: string): void {
  if (/\{.*\}/.test(command)) return
  const folders = command.includes('/') ? [''] : (environment('PATH') ?? '').split(delimiter)
  if (folders.some((folder) => isExecutable(folder === '' ? command : join(folder, command)))) return
  throw cannot(command.includes('/') ? `${command} can't be executed` : `There is no command ${command} in PATH`)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

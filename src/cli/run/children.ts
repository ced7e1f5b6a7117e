/**
 * The processes that are running. Each has a group of its own: what it has started ends with it, and a Ctrl-C in the terminal comes to
 * us alone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { constants as system } from 'node:os'
import { delimiter, join } from 'node:path'
import { environment } from '../../core/environment.ts'
import { cannot, codeOf, messageOf } from '../fault.ts'

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
/** From its end, when it was ended, until its pipes are closed. */
const PIPES_MS = 500

/** The exit code of what was ended by us, and says that all was well: that of timeout(1). */
const CUT = 124

/** The exit code of what can't be executed, as shells have it. */
export const NOT_EXECUTABLE = 126

const NOTHING = Buffer.alloc(0)

export class Children {
  readonly #live = new Set<ChildProcess>()

  /** Runs a command to its end. Aborted, it is ended, with all that it has started. */
  run(words: readonly string[], limits: ChildLimits, signal: AbortSignal): Promise<ChildEnd> {
    return new Promise((resolve) => {
      const begun = started(words)
      if (begun instanceof Error) return resolve(notStarted(begun))
      const child = begun
      this.#live.add(child)
      const out: Buffer[] = []
      const err: Buffer[] = []
      let bytes = 0
      let why: string | undefined
      const end = (reason: string): void => {
        why ??= reason
        this.#end(child)
        // It is gone itself, and something that it has started holds its pipes.
        if (child.exitCode !== null || child.signalCode !== null) cutOff(child)
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
      const settle = (ended: ChildEnd): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        this.#live.delete(child)
        resolve(ended)
      }
      // There are no pipes where there were no descriptors left for them.
      child.stdout?.on('data', keeps(out))
      child.stderr?.on('data', keeps(err))
      child.on('error', (error) => {
        if (child.pid === undefined) settle(notStarted(error))
      })
      child.on('exit', () => {
        if (why !== undefined) cutOff(child)
      })
      child.on('close', (code, name) => {
        if (child.pid === undefined) return
        const killedBy = name === null ? 0 : system.signals[name]
        // It may have taken the SIGTERM for a wish to end well.
        const exitCode = why !== undefined && code === 0 ? CUT : (code ?? 0)
        settle({ exitCode, signal: killedBy, out: Buffer.concat(out), err: Buffer.concat(err), why })
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

function started(words: readonly string[]): ChildProcess | Error {
  const [command = '', ...args] = words
  try {
    // detached: a group of its own.
    return spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  } catch (error) {
    return error as Error
  }
}

/** 127 stands for what is not there. */
function notStarted(error: Error): ChildEnd {
  const code = codeOf(error)
  const why = code === 'E2BIG' ? 'it is too long for a command line (E2BIG)' : messageOf(error)
  return { exitCode: code === 'ENOENT' ? 127 : NOT_EXECUTABLE, signal: 0, out: NOTHING, err: NOTHING, why }
}

/** What it has started may have its own idea of when to end; and what has left its group may hold its pipes for ever. */
function cutOff(child: ChildProcess): void {
  kill(child, 'SIGKILL')
  setTimeout(() => {
    child.stdout?.destroy()
    child.stderr?.destroy()
  }, PIPES_MS).unref()
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

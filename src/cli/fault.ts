/**
 * What went wrong, in one line, and the exit code that goes with it. Anything else that is thrown is a bug of ours, or the user's own.
 */

/** What a process of ours ends with; 130 and 143 stand for SIGINT and SIGTERM. */
export const Exit = {
  OK: 0,
  /** Some of the work has failed, or was left undone. */
  FAILED: 1,
  /** The command line can't be understood. */
  USAGE: 2,
  /** Something can't be opened, loaded or connected to. */
  CANNOT_OPEN: 3,
  /** A gate of `load` did not hold. */
  GATE: 99,
} as const

/** One sentence that says what is the matter, and what to do. */
export class Fault extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.name = 'Fault'
    this.exitCode = exitCode
  }
}

export function usage(message: string): Fault {
  return new Fault(Exit.USAGE, message)
}

export function cannot(message: string): Fault {
  return new Fault(Exit.CANNOT_OPEN, message)
}

/** The message of whatever was thrown, in one line. */
export function messageOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  let text = typeof message === 'string' ? message : ''
  try {
    text ||= String(code ?? error)
  } catch {
    text = 'something was thrown that has no text'
  }
  return text.replaceAll(/\s*\n\s*/g, ' ')
}

/** The code of a system error: `'ENOENT'`. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** Why a file takes nothing more. */
export function whyNoWrite(error: unknown): string {
  return codeOf(error) === 'ENOSPC' ? 'the disk is full' : messageOf(error)
}

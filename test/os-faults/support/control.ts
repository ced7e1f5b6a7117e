/**
 * Says which calls fail, in the file that the preloaded library shares. See failing.c.
 */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'

const kinds = { opens: 1, writes: 2, syncs: 4, truncates: 8 } as const

export interface Faults {
  /** Which calls are meant. */
  readonly calls: readonly (keyof typeof kinds)[]
  readonly error: 'EIO' | 'ENOSPC' | 'EMFILE' | 'EROFS'
  /** A write that fails has written half of it. */
  readonly tears?: boolean
  /** How many fail, from the one on. Default: 1. */
  readonly times?: number
}

export class Control {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'r+')
  }

  /** The `at`-th call from now on fails; 0: none. */
  fail({ calls, error, tears = false, times = 1 }: Faults, at: number): void {
    const mask = calls.reduce((sum, call) => sum | kinds[call], 0)
    const errno = constants.errno[error]
    writeSync(this.#file, Buffer.from(new Int32Array([mask, at, times, errno, tears ? 1 : 0, 0]).buffer), 0, 24, 0)
  }

  heal(): void {
    writeSync(this.#file, Buffer.alloc(16), 0, 16, 0)
  }

  /** How many calls there were since then. */
  get count(): number {
    const numbers = new Int32Array(6)
    readSync(this.#file, new Uint8Array(numbers.buffer), 0, 24, 0)
    return numbers[5] as number
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** Before the process begins that has it. */
export function makeControl(path: string): void {
  writeFileSync(path, Buffer.alloc(24))
}

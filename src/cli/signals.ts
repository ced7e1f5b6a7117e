/**
 * What happens when somebody wants it to end? The first signal asks, the second insists, the third ends the process at once.
 */
import { endProcess } from './end.ts'

const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

export type Signal = keyof typeof numbers

/** What a shell says of a process that has ended by it: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOf(signal: Signal): number {
  return 128 + numbers[signal]
}

/** Each call comes once, the second after the first. */
export interface OnSignal {
  first(signal: Signal): void
  second(signal: Signal): void
  /** Just before the process ends. */
  third?(): void
}

/** @returns lets go of them */
export function onSignals({ first, second, third }: OnSignal): () => void {
  let count = 0
  const heard = (signal: Signal): void => {
    count++
    if (count === 1) first(signal)
    else if (count === 2) second(signal)
    else {
      third?.()
      endProcess(exitCodeOf(signal))
    }
  }
  for (const signal of Object.keys(numbers)) process.on(signal, heard)
  return () => {
    for (const signal of Object.keys(numbers)) process.off(signal, heard)
  }
}

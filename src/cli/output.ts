/**
 * Where does it go? stdout has data, stderr all that is said about it. No escape byte without a terminal, nor with NO_COLOR.
 */
import { styleText } from 'node:util'
import { environment } from '../core/environment.ts'
import { codeOf, Exit, whyNoWrite } from './fault.ts'

type Style = Parameters<typeof styleText>[0]

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** One object a line; `v` is the version of its shape. */
export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify({ v: 1, ...value })}\n`)
}

/** @see https://no-color.org */
function hasColors(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (environment('NO_COLOR') ?? '') === '' && environment('TERM') !== 'dumb'
}

export function painter(stream: NodeJS.WriteStream): (style: Style, text: string) => string {
  if (!hasColors(stream)) return (_style, text) => text
  return (style, text) => styleText(style, text, { validateStream: false })
}

/** How wide it is; a stream that is no terminal has no end. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  if (stream.isTTY !== true) return Number.POSITIVE_INFINITY
  return stream.columns > 0 ? stream.columns : 80
}

let isLost = false
let whenLost: (exitCode: number) => void = () => {}

/** What happens when stdout takes nothing any more. @param act given an exit code: 0 where a reader has read enough */
export function onLostOutput(act: (exitCode: number) => void): void {
  whenLost = act
}

/** Is it known already? An error of the last write is told as an event only later. */
export function isOutputLost(): boolean {
  return isLost || process.stdout.errored !== null
}

/**
 * A pipe that is closed (`… | head`) is nobody's error, and quiet. A full disk is one: it is said once.
 * @param end the process, where nobody wants anything else
 */
export function watchPipes(end: (exitCode: number) => void): void {
  whenLost = end
  process.stdout.on('error', lost).on('drain', wakeWriters)
  process.stderr.on('error', wakeWriters).on('drain', wakeWriters)
}

const writers = new Set<() => void>()
let isGivenUp = false

/** Who reads may be slower than who writes: resolves when there is room again, when stdout is lost, or when all are woken. */
export async function roomToWrite(): Promise<void> {
  const { stdout, stderr } = process
  if (isOutputLost() || !(stdout.writableNeedDrain || stderr.writableNeedDrain)) return
  await new Promise<void>((resolve) => writers.add(resolve))
}

export function wakeWriters(): void {
  for (const wake of writers) wake()
  writers.clear()
}

/** Is something on its way to who reads? */
export function isOutputBehind(): boolean {
  return process.stdout.writableLength > 0
}

/** Who reads may stand still for ever: nobody waits for that any more. */
export function giveUpOutput(): void {
  isGivenUp = true
  for (const leave of waiting) leave()
  wakeWriters()
}

const waiting = new Set<() => void>()

/** Resolves when all that was written has gone out: true; or never will. */
export async function flushed(): Promise<boolean> {
  if (isOutputBehind() && !isGivenUp) {
    await new Promise<void>((resolve) => {
      waiting.add(resolve)
      process.stdout.write('', (error) => {
        waiting.delete(resolve)
        if (error != null) lost(process.stdout.errored ?? error)
        resolve()
      })
    })
  }
  if (process.stdout.errored !== null) lost(process.stdout.errored)
  return !isLost && !isGivenUp
}

function lost(error: Error): void {
  if (isLost) return
  isLost = true
  wakeWriters()
  const isClosed = codeOf(error) === 'EPIPE'
  if (!isClosed) say(`triage-queue: stdout can't be written: ${whyNoWrite(error)}`)
  whenLost(isClosed ? Exit.OK : Exit.FAILED)
}

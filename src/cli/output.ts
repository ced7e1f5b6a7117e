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
  process.stdout.on('error', lost)
  process.stderr.on('error', () => {})
}

/** Resolves when all that was written has gone out, or never will. */
export async function flushed(): Promise<void> {
  const { stdout } = process
  const error = stdout.writableLength === 0 ? undefined : await new Promise((resolve) => stdout.write('', resolve))
  if (stdout.errored !== null || error != null) lost(stdout.errored ?? (error as Error))
}

function lost(error: Error): void {
  if (isLost) return
  isLost = true
  const isClosed = codeOf(error) === 'EPIPE'
  if (!isClosed) say(`triage-queue: stdout can't be written: ${whyNoWrite(error)}`)
  whenLost(isClosed ? Exit.OK : Exit.FAILED)
}

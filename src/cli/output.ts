/**
 * Where does it go? stdout has data, stderr all that is said about it. No escape byte without a terminal, nor with NO_COLOR.
 */
import { styleText } from 'node:util'
import { environment } from '../core/environment.ts'

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

let whenBroken: () => void = () => void process.exit(0)

/** What happens when nobody reads any more: `… | head`. Without it the process ends, quietly. */
export function onBrokenPipe(act: () => void): void {
  whenBroken = act
}

/** A pipe that is closed is nobody's error. */
export function watchPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') whenBroken()
    else throw error
  })
  process.stderr.on('error', () => {})
}

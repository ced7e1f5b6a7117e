/**
 * Numbers and texts as people read them.
 */
import { count, duration } from '../terminal/text.ts'

export { count, duration }

/** `1 request`, `2 requests`. */
export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}

/** Safe in a POSIX shell, as one word. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} kB`
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MB` : `${(bytes / 1024 ** 3).toFixed(1)} GB`
}

/** As it stands in the job log and in what is said: in one line, and without what a terminal would obey. */
export function oneLine(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (char) => escapes[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

const escapes: { readonly [char: string]: string } = { '\n': '\\n', '\t': '\\t', '\r': '\\r' }

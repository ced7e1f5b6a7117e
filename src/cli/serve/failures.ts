/**
 * What has failed? A line on stderr for each run that has, in a service of `serve`, and never a flood of them.
 */
import type { QueuedExecutor } from '../../index.ts'
import { TokenBucket } from '../../log/limiter.ts'
import { messageOf } from '../fault.ts'
import { say } from '../output.ts'
import { duration, oneLine, plural } from '../words.ts'

const PER_SECOND = 10
/** How long what was held back stays unsaid. */
const SUMMARY_MS = 1_000
const MAX_ERROR = 300
const MAX_ID = 80

/** @returns ends it: says what was held back */
export function sayFailures(executor: QueuedExecutor, name: string): () => void {
  const bucket = new TokenBucket(PER_SECOND, PER_SECOND)
  let held = 0
  let timer: NodeJS.Timeout | undefined
  const summarise = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (held > 0) say(`triage-queue: ${oneLine(name)}: ${plural(held, 'more run has', 'more runs have')} failed`)
    held = 0
  }
  const hear = (id: string, error: unknown, attempt: number, next: string): void => {
    if (bucket.take(performance.now())) {
      const what = `${short(name, MAX_ID)} ${short(id, MAX_ID)}: ${short(errorText(error), MAX_ERROR)}`
      say(`triage-queue: ${what} (attempt ${attempt}${next})`)
      return
    }
    held++
    timer ??= setTimeout(summarise, SUMMARY_MS).unref()
  }
  executor.on('failed', ({ id, error, attempts }) => hear(id, error, attempts, ''))
  executor.on('expired', ({ id, error, attempts, started }) => {
    if (started) hear(id, error, attempts, '')
  })
  executor.on('retrying', ({ id, error, attempt, delayMs }) =>
    hear(id, error, attempt, `, again in ${duration(delayMs)}`),
  )
  return summarise
}

/** `TypeError: …`; of what was thrown and is no error, its text. */
function errorText(error: unknown): string {
  const message = messageOf(error)
  try {
    const { name } = (error ?? {}) as { name?: unknown }
    return typeof name === 'string' && name !== '' && name !== message ? `${name}: ${message}` : message
  } catch {
    return message
  }
}

/** In one line, without what a terminal would obey. */
function short(text: string, length: number): string {
  const line = oneLine(text.slice(0, length)).replaceAll(/[\p{Bidi_Control}\u2028\u2029]/gu, '\ufffd')
  return text.length > length || line.length > length ? `${line.slice(0, length - 1)}…` : line
}

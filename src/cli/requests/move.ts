/**
 * `requests move`: what waits in a file goes to Redis, so that more than one machine can run it.
 */
import { existsSync } from 'node:fs'
import type { Moved } from '../../bullmq/index.ts'
import type { SqliteStore } from '../../sqlite/index.ts'
import { type Call, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { endProcess } from '../end.ts'
import { cannot, codeOf, Exit, type Fault, messageOf, usage } from '../fault.ts'
import { print, printJson, say } from '../output.ts'
import { choice, Misread, type Parse, text } from '../parse.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { StatusLine } from '../status-line.ts'
import { count, plural, shellWord } from '../words.ts'

const redisUrl: Parse<string> = (given) => {
  if (/^rediss?:\/\//.test(given) && URL.canParse(given)) return given
  throw new Misread("the address of a Redis as 'redis://127.0.0.1:6379'")
}

const flags = {
  redis: option('--redis <url>', 'where they go', redisUrl, 'redis://127.0.0.1:6379'),
  queue: optional('--queue <name>', 'only those of this queue; otherwise those of each queue in the file', text),
  prefix: option('--prefix <text>', 'what the keys in Redis begin with, as the workers have it', text, 'bull'),
  codec: option('--codec <name>', 'how the file was written: json or v8', choice('json', 'v8'), 'json'),
  dryRun: toggle('--dry-run', 'only says what would be moved'),
  json: toggle('--json', 'a line of JSON for each queue, and for each request that stays'),
}

type Chosen = Values<typeof flags>

export const move = defineCommand({
  name: 'requests move',
  summary: 'Moves what waits in the files of serve --db to Redis.',
  about: [
    'Stop the service first: what waits is kept in its file. Each request goes with its id, priority, kind, metadata, delay and what is',
    'left of its time limits, and ends in the file only when Redis has it: where the move is cut off, do it again. Answers and dead letters',
    'stay, and so does what Redis can not do. It ends with 1 when something stays, and with 3 when the file or Redis can not be opened.',
    'The file is opened as serve opens it, with --dry-run as well. A password stands best in TRIAGE_CLI_REDIS. Redis needs bullmq and ioredis:',
    'npm install bullmq@^6.7 ioredis@^6.',
  ].join(' '),
  args: [{ name: '<file...>', what: 'the SQLite files; of serve --shards there is one for each shard' }],
  flags,
  examples: [
    ['triage-queue requests move requests.db --redis redis://10.0.0.5:6379 --dry-run', 'what would be moved?'],
    ['triage-queue requests move requests.db --redis redis://10.0.0.5:6379', 'moves it'],
  ],
  run,
})

async function run(chosen: Chosen, { args }: Call): Promise<number> {
  for (const file of args) if (!existsSync(file)) throw cannot(`There is no file ${shellWord(file)}`)
  const { peers } = await import('../../bullmq/peers.ts')
  try {
    peers()
  } catch (error) {
    throw cannot(messageOf(error))
  }
  const stopping = new AbortController()
  let by: Signal | undefined
  const letGo = onSignals({
    first: (signal) => {
      by = signal
      stopping.abort()
    },
    second: (signal) => endProcess(exitCodeOf(signal)),
  })
  let isAllMoved = true
  try {
    for (const file of args) isAllMoved = (await moveFile(file, chosen, stopping.signal)) && isAllMoved
  } catch (error) {
    if (by === undefined) throw error
    say('triage-queue: it was cut off: do it again to move the rest')
    return exitCodeOf(by)
  } finally {
    letGo()
  }
  return isAllMoved ? Exit.OK : Exit.FAILED
}

/** @returns false when something stays in it */
async function moveFile(file: string, chosen: Chosen, signal: AbortSignal): Promise<boolean> {
  const store = await opened(file, chosen)
  try {
    let isAllMoved = true
    const queues = queuesIn(store, file, chosen.queue)
    if (queues.length === 0) say(`triage-queue: nothing waits in ${shellWord(file)}`)
    for (const { queue, live } of queues) {
      signal.throwIfAborted()
      const moved = await moveQueue(store, { file, queue, live }, chosen, signal)
      tell(file, queue, moved, chosen)
      isAllMoved &&= moved.leftCount === 0
    }
    return isAllMoved
  } finally {
    await store.close()
  }
}

async function opened(file: string, { codec }: Chosen): Promise<SqliteStore> {
  const { jsonCodec, openStore, v8Codec } = await import('../../sqlite/index.ts')
  try {
    const onDamage = ({ message }: { readonly message: string }) => say(`triage-queue: ${message}`)
    return await openStore(file, { codec: codec === 'v8' ? v8Codec : jsonCodec, onDamage })
  } catch (error) {
    if (codeOf(error) === 'TRIAGE_STORE_LOCKED') {
      throw cannot(`${messageOf(error)}: end that service first, it keeps in the file what waits`)
    }
    throw codeOf(error) === 'TRIAGE_INVALID_OPTIONS' ? usage(messageOf(error)) : cannot(messageOf(error))
  }
}

/** Those with something that lives. */
function queuesIn(store: SqliteStore, file: string, only: string | undefined) {
  const all = store.status().unopened
  if (only === undefined || all.length === 0) return all
  const found = all.filter(({ queue }) => queue === only)
  if (found.length > 0) return found
  throw usage(
    `Nothing waits for '${only}' in ${shellWord(file)}; there are ${all.map(({ queue }) => queue).join(', ')}`,
  )
}

interface What {
  readonly file: string
  readonly queue: string
  readonly live: number
}

async function moveQueue(
  store: SqliteStore,
  { file, queue, live }: What,
  { redis, prefix, dryRun }: Chosen,
  signal: AbortSignal,
): Promise<Moved> {
  const { moveRequests, remoteExecutor } = await import('../../bullmq/index.ts')
  const to = remoteExecutor<never>(queue, { connection: redis, prefix, maxQueueSize: Number.POSITIVE_INFINITY })
  const progress = new Progress(`${queue}: `, live, dryRun ? 'looked at' : 'moved')
  let moved = 0
  try {
    await to.ready()
    const onProgress = (soFar: Moved): void => {
      moved = soFar.moved
      progress.is(soFar.moved + soFar.expired + soFar.leftCount)
    }
    return await moveRequests(store, to, { dryRun, signal, onProgress })
  } catch (error) {
    progress.clear()
    if (signal.aborted) {
      if (!dryRun) say(`triage-queue: ${queue}: ${count(moved)} moved`)
      throw error
    }
    throw faultOf(error, file, dryRun ? 0 : moved)
  } finally {
    progress.clear()
    await to.close({ drain: false, graceMs: 0 })
  }
}

function faultOf(error: unknown, file: string, moved: number): Fault {
  const before =
    moved === 0 ? '' : `; ${plural(moved, 'request was', 'requests were')} moved before, do it again for the rest`
  return cannot(`${shellWord(file)}: ${messageOf(error)}${before}`)
}

function tell(file: string, queue: string, { moved, expired, left, leftCount }: Moved, { dryRun, json }: Chosen): void {
  if (json) {
    for (const each of left) printJson({ file, queue, ...each })
    printJson({ file, queue, dryRun, moved, expired, left: leftCount })
    return
  }
  const parts = [`${count(moved)} ${dryRun ? 'would be moved' : 'moved'}`]
  if (expired > 0) parts.push(`${count(expired)} over their time`)
  if (leftCount > 0) parts.push(`${count(leftCount)} ${dryRun ? 'would stay' : leftCount === 1 ? 'stays' : 'stay'}`)
  print(`${queue}: ${parts.join(', ')}`)
  for (const { id, why } of left) say(`triage-queue: ${shellWord(id)} ${dryRun ? 'would stay' : 'stays'}: ${why}`)
  if (leftCount > left.length) say(`triage-queue: and ${count(leftCount - left.length)} more`)
}

const DRAW_MS = 200
const LINE_MS = 10_000

/** On stderr: a line that replaces itself in a terminal, else one each ten seconds. */
class Progress {
  readonly #before: string
  readonly #after: string
  readonly #line = new StatusLine(process.stderr)
  #drawnAt = performance.now()

  constructor(before: string, all: number, done: string) {
    this.#before = before
    this.#after = ` of ${count(all)} ${done}`
  }

  is(done: number): void {
    const { stderr } = process
    const now = performance.now()
    if (now - this.#drawnAt < (stderr.isTTY ? DRAW_MS : LINE_MS)) return
    this.#drawnAt = now
    const line = `${this.#before}${count(done)}${this.#after}`
    if (stderr.isTTY) this.#line.draw(line)
    else say(`triage-queue: ${line}`)
  }

  clear(): void {
    this.#line.clear()
  }
}

/**
 * `doctor`: is all as it should be? Of this machine, of a file with requests, or of a service: a line for each thing, and what to do.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { SqliteStore } from '../../sqlite/index.ts'
import { Client, clientFlags, serviceOf } from '../client.ts'
import { type Call, defineCommand, toggle, type Values } from '../command.ts'
import { codeOf, Exit, messageOf } from '../fault.ts'
import { columnsOf, painter, print, printJson } from '../output.ts'
import { shardsOf } from '../serve/db-files.ts'
import { wrapped } from '../table.ts'
import { version } from '../version.ts'
import { count, duration, plural, size } from '../words.ts'

const { tokenFile } = clientFlags
const flags = { tokenFile, json: toggle('--json', 'a line of JSON for each thing') }

interface Finding {
  readonly is: 'well' | 'note' | 'bad'
  readonly what: string
  readonly says: string
  /** Whose it is, where there are several. */
  readonly file?: string
}

/** What was found, and the exit code where it is not theirs: of what could not be looked at. */
interface Findings {
  readonly all: readonly Finding[]
  readonly exitCode?: number
}

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks whether all is as it should be: this machine, a file with requests, or a service.',
  about: [
    'A file is opened as serve opens it, so no other process may have it; of serve --shards each file is looked at. It ends with 1 when something is wrong, and with 3 when the file or',
    'the service could not be looked at: it is not there, is no such file, is in use, or does not answer.',
  ].join(' '),
  args: [{ name: '[target]', what: 'the SQLite file, or the address of a service; without it this machine' }],
  flags,
  examples: [
    ['triage-queue doctor', 'this machine'],
    ['triage-queue doctor requests.db', 'is the file whole, and what is in it?'],
    ['triage-queue doctor http://127.0.0.1:8080', 'does it answer, and does it keep up?'],
  ],
  run,
})

async function run(chosen: Values<typeof flags>, { args }: Call): Promise<number> {
  const [target] = args
  const findings: Findings = target === undefined ? { all: ofMachine() } : await ofTarget(target, chosen)
  const paint = painter(process.stdout)
  const marks = { well: paint('green', 'ok  '), note: paint('yellow', 'note'), bad: paint('red', 'BAD ') }
  for (const finding of findings.all) {
    if (chosen.json) printJson(finding)
    else {
      const [first = '', ...rest] = wrapped(`${finding.what}: ${finding.says}`, columnsOf(process.stdout) - 5)
      print(`${marks[finding.is]} ${first}`)
      for (const line of rest) print(`     ${line}`)
    }
  }
  return findings.exitCode ?? (findings.all.some(({ is }) => is === 'bad') ? Exit.FAILED : Exit.OK)
}

const well = (what: string, says: string): Finding => ({ is: 'well', what, says })
const note = (what: string, says: string): Finding => ({ is: 'note', what, says })
const bad = (what: string, says: string): Finding => ({ is: 'bad', what, says })

function ofMachine(): Finding[] {
  const { node } = process.versions
  const [major = 0, minor = 0] = node.split('.').map(Number)
  const isOld = major < 22 || (major === 22 && minor < 12)
  const hasSqlite = major > 22 || (major === 22 && minor >= 13)
  const { typescript } = process.features as { typescript?: unknown }
  const granted = process.constrainedMemory()
  const memory = granted > 0 ? Math.min(granted, totalmem()) : totalmem()
  const files = filesLimit()
  return [
    well('triage-queue', version()),
    isOld ? bad('Node', `${node} is older than 22.12`) : well('Node', node),
    hasSqlite ? well('--db', 'node:sqlite is there') : note('--db', 'needs Node 22.13 or later'),
    typescript === undefined || typescript === false
      ? note('TypeScript', 'modules in .ts need Node 22.18 or later')
      : well('TypeScript', 'modules in .ts run as they are'),
    well('machine', `${plural(availableParallelism(), 'processor')}, ${size(memory)} of memory`),
    files !== undefined && files < 10_000
      ? note('open files', `at most ${count(files)}, and each connection is one: ulimit -n 65536 for more`)
      : well('open files', files === undefined ? 'no limit is known' : `at most ${count(files)}`),
  ]
}

/** Of this process, where the system says so. */
function filesLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as unknown as { userLimits?: { open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' || /^\d+$/.test(`${soft}`) ? Number(soft) : undefined
}

async function ofTarget(target: string, { tokenFile: file }: Values<typeof flags>): Promise<Findings> {
  if (existsSync(target)) return ofFile(target)
  if (/^https?:\/\//.test(target) || /:\d+$/.test(target)) {
    return { all: await ofService(new Client(serviceOf(target), file)) }
  }
  const shards = shardsOf(target)
  if (shards > 0) return ofShards(target, shards)
  return notSeen(bad(target, 'there is no such file; an address begins with http://'))
}

/** Each shard of `serve --shards` has a file of its own. */
async function ofShards(target: string, shards: number): Promise<Findings> {
  const all = [well(target, `is of ${plural(shards, 'shard')}, ${target}.0 …, each with a file of its own`)]
  let exitCode: number | undefined
  for (let i = 0; i < shards; i++) {
    const file = `${target}.${i}`
    const found = existsSync(file) ? await ofFile(file) : notSeen(bad(file, 'it is gone: restore it from a backup'))
    for (const finding of found.all) all.push({ ...finding, file })
    exitCode ??= found.exitCode
  }
  return { all, ...(exitCode !== undefined && { exitCode }) }
}

function notSeen(why: Finding): Findings {
  return { all: [why], exitCode: Exit.CANNOT_OPEN }
}

async function ofFile(file: string): Promise<Findings> {
  if (!statSync(file).isFile()) return notSeen(bad(file, 'it is no file'))
  if (statSync(file).size === 0 && ['.mark', '-wal'].every((end) => !existsSync(file + end))) {
    // To open it would make a store in it.
    return { all: [note(file, 'it is empty: nothing has been kept in it')] }
  }
  const isAlone = isCopiedAlone(file)
  const { openStore } = await import('../../sqlite/index.ts')
  let store: SqliteStore
  try {
    // What is damaged is in the report as well.
    store = await openStore(file, { onDamage: () => {} })
  } catch (error) {
    const isLocked = codeOf(error) === 'TRIAGE_STORE_LOCKED'
    const more = isLocked ? ': ask its service instead, triage-queue doctor URL' : ''
    return notSeen((isLocked ? note : bad)(file, `${messageOf(error)}${more}`))
  }
  const { damage, warnings, wasClosed, live, dead, tookMs } = store.report
  await store.close()
  return {
    all: [
      well(file, `${size(statSync(file).size)}, opened in ${duration(tookMs)}`),
      ...whatItIs(wasClosed, isAlone),
      well('requests', `${plural(live, 'request')} will run at the next start`),
      dead > 0
        ? note('dead letters', `${count(dead)}: triage-queue requests ls --state dead, on the service`)
        : well('dead letters', 'none'),
      ...warnings.filter((text) => !(isAlone && isOfWitness.test(text))).map((text) => note('warning', text)),
      ...damage.map(({ message }) => bad('damage', message)),
    ],
  }
}

/** Whoever works with a file leaves a witness beside it, or what is not in it yet. A backup has neither. */
function isCopiedAlone(file: string): boolean {
  const name = realpathSync(file)
  return ['.mark', '-wal'].every((end) => !existsSync(name + end))
}

const isOfWitness = /^the witness is missing/

function whatItIs(wasClosed: boolean, isAlone: boolean): Finding[] {
  if (isAlone) return [note('copy', 'a backup, or a file copied alone: nothing is known of commits that came after it')]
  if (wasClosed) return [well('last process', 'has closed it')]
  return [note('last process', 'died, or lost its power: nothing that was acknowledged is lost')]
}

async function ofService(client: Client): Promise<Finding[]> {
  const [live, ready] = [await client.ask('GET', '/healthz'), await client.ask('GET', '/readyz')]
  const name = await client.queue(undefined)
  const { body } = await client.ask('GET', '/v1/queues')
  const queues = (body as { queues: readonly QueueStatus[] }).queues
  const session = (await client.ask('GET', '/v1/session')).body as { name?: string; level?: string } | undefined
  return [
    live.status === 200 ? well('live', client.base) : bad('live', 'no request can run: every slot is stuck'),
    ready.status === 200
      ? well('ready', 'it takes requests')
      : bad('ready', 'a queue is paused, stuck or about to close'),
    well(
      'you',
      `${session?.name ?? 'nobody'}, ${session?.level ?? 'no level'}${session?.level === 'viewer' ? ': a token lets you do more' : ''}`,
    ),
    ...(await Promise.all(queues.map((queue) => ofQueue(client, queue)))).flat(),
    ...(queues.length === 0 ? [bad(name, 'there is no queue')] : []),
  ]
}

interface QueueStatus {
  readonly name: string
  readonly state: string
  readonly waiting: number
  readonly stuckWorkers: number
  readonly running: number
  readonly maxWorkers: number
  readonly maxQueueSize: number | null
  readonly wait: { readonly count: number; readonly p99Ms: number }
  readonly store: { readonly state: string } | null
}

async function ofQueue(client: Client, queue: QueueStatus): Promise<Finding[]> {
  const { name, state, waiting, running, maxWorkers, stuckWorkers, maxQueueSize, wait, store } = queue
  const { body } = await client.ask('GET', `/v1/queues/${encodeURIComponent(name)}/workers`)
  // One look at slots that are free says nothing of those that are needed.
  const isBusy = waiting > 0 || running * 2 >= maxWorkers
  const advice = isBusy ? (body as { advice?: string } | undefined)?.advice : undefined
  const measured = wait.count === 0 ? 'no wait measured yet' : `wait p99 ${duration(wait.p99Ms)}`
  const isFull = maxQueueSize !== null && maxQueueSize > 0 && waiting >= maxQueueSize
  return [
    state === 'open'
      ? well(name, `open, ${count(waiting)} waiting, ${count(running)} running, ${measured}`)
      : note(name, state),
    ...(stuckWorkers > 0
      ? [bad(name, `${plural(stuckWorkers, 'slot')} stuck: pass run.signal on to what they call`)]
      : []),
    ...(isFull ? [note(name, 'the queue is full: it refuses requests')] : []),
    ...(store !== null && store.state !== 'open' ? [bad(name, `its store is ${store.state}`)] : []),
    ...(advice === undefined || stuckWorkers > 0 ? [] : [well(name, advice)]),
  ]
}

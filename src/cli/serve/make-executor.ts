/**
 * What is served? The executor of the module, one around its function, one whose calls run in threads, or several in threads of their own.
 */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { CloseOptions, ExecutorStatus, Maybe, QueuedExecutor, QueuedExecutorOptions } from '../../index.ts'
import type { SqliteStore } from '../../sqlite/index.ts'
import type { Call } from '../command.ts'
import { cannot, codeOf, messageOf, usage } from '../fault.ts'
import { type Loaded, splitSpec } from '../module.ts'
import { say } from '../output.ts'
import { requireFiles } from './db-files.ts'
import type { ShardData } from './shard.ts'

export interface ServeChoice {
  readonly workers: number
  readonly maxQueueSize: number
  readonly whenFull: 'shed' | 'reject' | 'block' | undefined
  readonly db: string | undefined
  readonly name: string | undefined
  readonly timeout: number | undefined
  readonly threads: number | undefined
  readonly shards: number | undefined
}

/** What there is to serve, and to be closed. */
export interface Made {
  readonly executor: QueuedExecutor
  getStatus(): Maybe<ExecutorStatus>
  close(options?: CloseOptions): Promise<void>
  /** Of what was opened for it, once it has closed. */
  end(): Promise<void>
}

/** @throws {Fault} for what does not go together, before anything is begun */
export function requireTogether(loaded: Loaded, chosen: ServeChoice, { isGiven }: Call): void {
  if (chosen.threads !== undefined && chosen.shards !== undefined) {
    throw usage('--threads and --shards do not go together: a shard has a thread of its own')
  }
  if (loaded.kind === 'executor') {
    const given = ['workers', 'maxQueueSize', 'whenFull', 'db', 'name', 'timeout', 'threads', 'shards'].find(isGiven)
    if (given === undefined) return
    const shown = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw usage(`--${shown} is for a function: the module exports an executor, which has options of its own`)
  }
  if (chosen.threads === undefined) return
  if (!loaded.isPlain)
    throw usage('--threads needs a module that exports the function itself: it is loaded in each thread')
  if (isGiven('workers') && chosen.workers > chosen.threads) {
    throw usage(`--workers ${chosen.workers} is more than --threads ${chosen.threads}: a call takes a thread`)
  }
}

/** @param spec the module, as it was named */
export async function makeExecutor(spec: string, loaded: Loaded, chosen: ServeChoice, call: Call): Promise<Made> {
  if (loaded.kind === 'executor') return ofExecutor(loaded.made, async () => {})
  const { said, otherwise } = optionsOf(loaded, chosen, call)
  if (chosen.db !== undefined) requireFiles(chosen.db, chosen.shards)
  if (chosen.shards !== undefined) return inShards(spec, chosen.shards, { said, otherwise, db: chosen.db })
  const { QueuedExecutor } = await import('../../index.ts')
  const threaded = chosen.threads === undefined ? undefined : await inThreads(spec, loaded, chosen.threads)
  const store = await opened(chosen.db)
  try {
    const all = { ...otherwise, ...loaded.options, ...said, ...(store !== undefined && { store }) }
    const executor = new QueuedExecutor(threaded ?? loaded.executor, all as QueuedExecutorOptions)
    return ofExecutor(executor, async () => {
      await threaded?.close()
      await store?.close().catch((error: unknown) => say(`triage-queue: ${messageOf(error)}`))
    })
  } catch (error) {
    await store?.close()
    throw usage(messageOf(error))
  }
}

function ofExecutor(executor: QueuedExecutor, end: () => Promise<void>): Made {
  return { executor, getStatus: () => executor.getStatus(), close: (options) => executor.close(options), end }
}

/** What was said here goes before what the module says, and that before our defaults. */
function optionsOf({ name }: Loaded, chosen: ServeChoice, { isGiven }: Call) {
  const { workers, maxQueueSize, whenFull, timeout, threads } = chosen
  const concurrency = threads === undefined || isGiven('workers') ? workers : threads
  const isSaid = isGiven('workers') || threads !== undefined
  const said = {
    ...(isSaid && { concurrency }),
    ...(isGiven('maxQueueSize') && { maxQueueSize }),
    ...(isGiven('name') && { name: chosen.name }),
    ...(whenFull !== undefined && { whenFull }),
    ...(timeout !== undefined && { runTimeoutMs: timeout }),
  }
  return { said, otherwise: { name, concurrency, maxQueueSize } }
}

async function inThreads(spec: string, loaded: Loaded & { readonly kind: 'function' }, count: number) {
  const { threads } = await import('../../threads/index.ts')
  const { file, name } = splitSpec(spec)
  try {
    return threads(pathToFileURL(resolve(file)), { threads: count, exportName: name ?? loaded.exportName })
  } catch (error) {
    throw cannot(messageOf(error).replace(/^threads\(\)/, '--threads'))
  }
}

async function inShards(
  spec: string,
  count: number,
  { said, otherwise, db }: Omit<ShardData, 'module'>,
): Promise<Made> {
  const { shards } = await import('../../threads/index.ts')
  const { file, name } = splitSpec(spec)
  const module = `${resolve(file)}${name === undefined ? '' : `#${name}`}`
  // Beside this file, in the sources and in what is built.
  const here = import.meta.url
  const shard = new URL(here.endsWith('.ts') ? './shard.ts' : './shard.js', here)
  const data: ShardData = { module, said, otherwise, db }
  const all = shards(count, shard, { exportName: 'makeShard', data, name: (said.name ?? otherwise.name) as string })
  try {
    // Each has loaded the module, and opened its file, when it answers.
    await all.getStatus()
  } catch (error) {
    await all.close({ drain: false, graceMs: 0 }).catch(() => {})
    throw faultOfStore(error)
  }
  return {
    executor: all as unknown as QueuedExecutor,
    getStatus: () => all.getStatus(),
    close: (options) => all.close(options),
    end: async () => {},
  }
}

async function opened(file: string | undefined): Promise<SqliteStore | undefined> {
  if (file === undefined) return undefined
  const { openStore } = await import('../../sqlite/index.ts')
  try {
    return await openStore(file, { onDamage: ({ message }) => say(`triage-queue: ${message}`) })
  } catch (error) {
    throw faultOfStore(error)
  }
}

function faultOfStore(error: unknown): Error {
  const hint = codeOf(error) === 'TRIAGE_STORE_LOCKED' ? ': end that process, or choose another file with --db' : ''
  return cannot(messageOf(error) + hint)
}

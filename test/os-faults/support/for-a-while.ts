/**
 * A process with a disk that is gone for a while, in one of several ways, under load. Says in the end what it has found.
 *
 *     for-a-while.ts FOLDER CONTROL WAY
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../../../src/core/store-errors.ts'
import { openStore } from '../../../src/sqlite/open-store.ts'
import { admitted, completed } from '../../contract/support.ts'
import { Control } from './control.ts'

const [folder = '', controlFile = '', way = ''] = process.argv.slice(2)
const control = new Control(controlFile)
const path = join(folder, 'a.db')
const ballast = join(folder, 'ballast')
const problems: string[] = []
const FOR_EVER = 2 ** 30

/** Each breaks the disk, and gives what mends it. */
const ways: { readonly [way: string]: () => () => void } = {
  /** The disk is full, as `write` and `fsync` say. */
  full() {
    control.fail({ calls: ['writes', 'syncs', 'truncates'], error: 'ENOSPC', tears: true, times: FOR_EVER }, 1)
    return () => control.heal()
  },
  /** A small file system is filled up. */
  filled() {
    const file = openSync(ballast, 'w')
    try {
      for (;;) writeSync(file, Buffer.alloc(4_096))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
    return () => rmSync(ballast)
  },
  /** The file system was mounted anew, read-only. */
  'read-only'() {
    control.fail({ calls: ['opens', 'writes', 'truncates'], error: 'EROFS', times: FOR_EVER }, 1)
    return () => control.heal()
  },
  broken() {
    control.fail({ calls: ['opens', 'writes', 'syncs', 'truncates'], error: 'EIO', times: FOR_EVER }, 1)
    return () => control.heal()
  },
  /** The process has opened as many files as it may, and what it has open is lost by a sync that fails. */
  'no-descriptors'() {
    const open: number[] = []
    try {
      for (;;) open.push(openSync('/dev/null', 'r'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
    }
    control.fail({ calls: ['syncs'], error: 'EIO' }, 1)
    // Those that the store gives back when it closes its files are taken, too: it can't open them anew.
    const taking = setInterval(() => {
      try {
        for (;;) open.push(openSync('/dev/null', 'r'))
      } catch {}
    }, 1)
    return () => {
      clearInterval(taking)
      for (const file of open) closeSync(file)
      control.heal()
    }
  },
}

const store = await openStore(path, { onDamage: ({ message }) => problems.push(message) })
const queue = store.queue('main')
const states: string[] = []
store.watch((event) => {
  if (event.type === 'state') states.push(event.state)
})
const live = new Set<string>()
const done = new Set<string>()
const refused = new Set<string>()
const seqs: number[] = []
let n = 0
const text = 'x'.repeat(900)

async function submit(): Promise<boolean> {
  const id = `r${n++}`
  try {
    seqs.push(await admitted(queue, id, { request: { id, text } }))
    live.add(id)
    return true
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) problems.push(`${id}: ${error}`)
    refused.add(id)
    return false
  }
}

for (let i = 0; i < 100; i++) if (!(await submit())) problems.push('it refuses what comes while all is well')
const mend = (ways[way] as () => () => void)()
// What is refused was never there; what has happened is kept in memory, and written when the disk is back.
while (await submit());
const facts = seqs.slice(0, 20).map((seq, i) => queue.ended(seq, completed(`answer ${i}`)))
for (let i = 0; i < 20; i++) {
  live.delete(`r${i}`)
  done.add(`r${i}`)
}
for (let i = 0; i < 10; i++) {
  await submit()
  await sleep(20)
}
const { state, error } = store.status()
if (state !== 'faulty' || error === undefined) problems.push(`it is ${state} while its disk is gone: ${error}`)
mend()
await Promise.all(facts)
if (!(await submit())) problems.push('it refuses what comes after its facts were written')
await check('at once', await store.list({ limit: 1_000 }))
await store.close()
const again = await openStore(path, { onDamage: ({ message }) => problems.push(message) })
await check('opened again', await again.list({ limit: 1_000 }))
await again.close()
writeSync(1, `${JSON.stringify({ problems, states, refused: refused.size, error })}\n`)

async function check(when: string, { records }: Awaited<ReturnType<typeof store.list>>): Promise<void> {
  const found = new Map(records.map((each) => [each.id, each]))
  for (const id of live) if (found.get(id)?.state !== 'waiting') problems.push(`${when}: ${id} is not live`)
  for (const id of done) {
    const { state: was, result } = found.get(id) ?? {}
    if (was !== 'completed' || result !== JSON.stringify(`answer ${id.slice(1)}`))
      problems.push(`${when}: ${id} is lost`)
  }
  for (const id of refused) if (found.has(id)) problems.push(`${when}: ${id} was refused, and is there`)
  if (records.length !== live.size + done.size) problems.push(`${when}: there are ${records.length}`)
}

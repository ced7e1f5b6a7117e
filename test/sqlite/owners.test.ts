/**
 * Two owners never: another process, another store of this process, another name; also when the owner's process reads the file
 * meanwhile, which takes its lock away. The next start needs nobody's help.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { temporaryFolder } from './support/engine.ts'
import { admitted, open } from './support/store.ts'

// Threads and processes are started, and the disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

interface Said {
  readonly opened: boolean
  readonly code?: string
  readonly message?: string
  readonly damage?: unknown[]
  readonly live?: number
}

async function start(path: string): Promise<{ said: Said; child: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'fixtures/owner.ts'), [path])
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const [said] = await once(child, 'message')
  return { said: said as Said, child }
}

const locked = { opened: false, code: 'TRIAGE_STORE_LOCKED' }

test('another process is refused at once, and told who has it; the next start needs nobody’s help', {
  timeout: 60_000,
}, async () => {
  const path = join(temporaryFolder(), 'a.db')
  const { said, child } = await start(path)
  expect(said).toEqual({ opened: true, damage: [], live: 1 })
  const { said: second } = await start(path)
  expect(second).toMatchObject(locked)
  expect(second.message).toContain(`process ${child.pid} on `)
  await expect(open(path)).rejects.toMatchObject({ code: 'TRIAGE_STORE_LOCKED', name: 'StoreLockedError', path })
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect((await start(path)).said).toEqual({ opened: true, damage: [], live: 2 })
})

test('the owner’s process may read and copy the files meanwhile', { timeout: 60_000 }, async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await open(path)
  const queue = store.queue('main')
  await admitted(queue, 'a')
  for (const name of ['', '-wal', '.mark', '.owner']) {
    readFileSync(path + name)
    copyFileSync(path + name, `${path}.copy${name}`)
  }
  expect((await start(path)).said).toMatchObject(locked)
  await expect(open(path)).rejects.toMatchObject({ code: 'TRIAGE_STORE_LOCKED' })
  await admitted(queue, 'b')
  await store.close()
  expect((await start(path)).said).toEqual({ opened: true, damage: [], live: 3 })
})

test('a link is no second name', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), join(folder, 'linked'))
  const path = join(folder, 'real', 'a.db')
  symlinkSync('a.db', join(folder, 'real', 'b.db'))
  // Before there is a file, too.
  const store = await open(join(folder, 'real', 'b.db'))
  await admitted(store.queue('main'), 'a')
  for (const name of [path, join(folder, 'linked', 'a.db'), join(folder, 'linked', 'b.db')]) {
    await expect(open(name)).rejects.toMatchObject({ code: 'TRIAGE_STORE_LOCKED' })
  }
  // A hard link is another name for good; the lock of the file itself is in its way.
  linkSync(path, join(folder, 'real', 'c.db'))
  expect((await start(join(folder, 'real', 'c.db'))).said).toMatchObject(locked)
  expect((await start(join(folder, 'linked', 'b.db'))).said).toMatchObject(locked)
})

test('a link to itself, a folder, and a folder that is not there are refused', async () => {
  const folder = temporaryFolder()
  symlinkSync('loop.db', join(folder, 'loop.db'))
  for (const name of ['loop.db', '.', 'none/a.db']) {
    await expect(open(join(folder, name))).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
  }
})

test('the text about the owner is never trusted', async () => {
  const path = join(temporaryFolder(), 'a.db')
  writeFileSync(`${path}.owner`, '\u001b[31mprocess 1\n')
  const store = await open(path)
  writeFileSync(`${path}.owner`, '\u001b[31mprocess 1\n')
  await expect(open(path)).rejects.toThrow('is open already, by ?[31mprocess 1')
  await store.close()
})

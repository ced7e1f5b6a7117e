/**
 * The system fails, and not a database that pretends to: a library that is preloaded stands before open, write and sync, a file
 * system is full. Nothing that was acknowledged is lost, nothing that was refused is left, the process lives, and the store
 * recovers by itself.
 *
 * Of some hundred writes another sample fails each day; each of them with `FAULTS=all npm run test:faults`, which takes some
 * minutes.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Faults } from './support/control.ts'
import { makeLibrary } from './support/library.ts'
import { run } from './support/run.ts'

const isWhole = process.env.FAULTS === 'all'
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('Not as root: no file system is mounted, and two tests are left out.')
const day = Math.floor(Date.now() / 86_400_000)

let folder: string
let library: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'triage-queue-faults-'))
  library = makeLibrary(folder)
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

interface OfOneCall {
  readonly at: number
  readonly problems: readonly string[]
  readonly refusals: number
}

test.each<[what: string, faults: Faults, sample: number, calls: number, refuses: boolean]>([
  ['a write that fails', { calls: ['writes'], error: 'EIO' }, 13, 100, true],
  ['a write that the disk has room for half of', { calls: ['writes'], error: 'ENOSPC', tears: true }, 13, 100, true],
  ['a sync that fails', { calls: ['syncs'], error: 'EIO' }, 2, 20, true],
  ['a file that can’t be opened', { calls: ['opens'], error: 'EMFILE' }, 1, 10, false],
  ['a file that can’t be cut', { calls: ['truncates'], error: 'EIO' }, 1, 3, false],
])('%s is survived, whichever it is', async (what, faults, sample, calls, refuses) => {
  const step = isWhole ? 1 : sample
  const first = isWhole ? 1 : 1 + (day % step)
  const found: OfOneCall[] = []
  const heard = (line: OfOneCall) => found.push(line)
  const more = [JSON.stringify(faults), `${first}`, `${step}`]
  const startedAt = performance.now()
  expect(await run('every-call.ts', more, { library, heard })).toBe('0')
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  const refusals = found.reduce((sum, each) => sum + each.refusals, 0)
  console.log(`${what}: ${found.length} histories, ${refusals} refusals, ${seconds} s`)
  expect(found.filter(({ problems }) => problems.length > 0)).toEqual([])
  // The last one was after all calls.
  expect(found.at(-1)?.at).toBeGreaterThan(calls)
  if (refuses && isWhole) expect(refusals).toBeGreaterThan(5)
})

interface ForAWhile {
  readonly problems: readonly string[]
  readonly states: readonly string[]
  readonly refused: number
  readonly error: string
}

async function forAWhile(way: string, options: { folder?: string; maxFiles?: number } = {}): Promise<ForAWhile> {
  const found: ForAWhile[] = []
  const heard = (line: ForAWhile) => found.push(line)
  expect(await run('for-a-while.ts', [way], { library, heard, ...options })).toBe('0')
  expect(found).toHaveLength(1)
  return found[0] as ForAWhile
}

test.each([
  ['full', {}],
  ['read-only', {}],
  ['broken', {}],
  ['no-descriptors', { maxFiles: 60 }],
])('a disk that is gone for a while is waited for: %s', async (way, options) => {
  const found = await forAWhile(way, options)
  expect(found).toMatchObject({ problems: [], states: expect.arrayContaining(['faulty', 'open']) })
  expect(found.refused).toBeGreaterThan(0)
})

test.runIf(isRoot)('a file system that is full is waited for (as root, which mounts one)', async () => {
  const mounted = join(folder, 'small')
  execFileSync('mkdir', [mounted])
  // More than the store needs by itself: what fills it up is another file, which goes away again.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mounted])
  try {
    const found = await forAWhile('filled', { folder: mounted })
    expect(found).toMatchObject({ problems: [], error: expect.stringMatching(/full|disk I\/O error/) })
    expect(found.states).toEqual(['faulty', 'open', 'closed'])
    expect(found.refused).toBeGreaterThan(0)
  } finally {
    execFileSync('umount', [mounted])
  }
})

test.runIf(isRoot)(
  'on a file system that is read-only no store is made, and none is opened (as root, which mounts one)',
  async () => {
    const mounted = join(folder, 'still')
    execFileSync('mkdir', [mounted])
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mounted])
    try {
      const { openStore } = await import('../../src/sqlite/open-store.ts')
      const path = join(mounted, 'a.db')
      const store = await openStore(path)
      await store.close()
      execFileSync('mount', ['-o', 'remount,ro', mounted])
      const unavailable = expect.objectContaining({ code: 'TRIAGE_STORE_UNAVAILABLE' })
      await expect(openStore(path)).rejects.toEqual(unavailable)
      await expect(openStore(join(mounted, 'b.db'))).rejects.toEqual(unavailable)
      execFileSync('mount', ['-o', 'remount,rw', mounted])
      await (await openStore(path)).close()
    } finally {
      execFileSync('umount', [mounted])
    }
  },
)

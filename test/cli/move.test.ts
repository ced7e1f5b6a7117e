/** `triage-queue requests move`, as far as it needs no Redis; with one it is in `test/redis/move-command.test.ts`. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from 'triage-queue/sqlite'
import { afterEach, expect, test, vi } from 'vitest'
import { faultOf, scratch } from './support/cli.ts'

afterEach(() => void vi.doUnmock('../../src/bullmq/peers.ts'))

test('where bullmq is not installed it says how it is, before the file is opened', async () => {
  const line = 'triage-queue/bullmq needs bullmq: npm install bullmq@^6.7 ioredis@^6'
  vi.doMock('../../src/bullmq/peers.ts', () => ({
    peers: () => {
      throw new Error(line)
    },
  }))
  const file = join(scratch(), 'requests.db')
  const store = await openStore(file)
  expect(await faultOf(['requests', 'move', file])).toEqual({ says: line, code: 3 })
  await store.close()
})

test('a file that a service has, and one that is not there, are refused', async () => {
  const file = join(scratch(), 'requests.db')
  expect(await faultOf(['requests', 'move', file])).toEqual({ says: `There is no file ${file}`, code: 3 })
  expect(existsSync(file)).toBe(false)
  const store = await openStore(file)
  expect(await faultOf(['requests', 'move', file])).toEqual({
    says: expect.stringMatching(/is open already, by .*: end that service first, it keeps in the file what waits$/),
    code: 3,
  })
  await store.close()
})

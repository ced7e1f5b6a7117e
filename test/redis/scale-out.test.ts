/** The example, as it is: a gateway and workers in processes of their own, one of them killed. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { startRedis } from '../support/redis-server.ts'

const redis = await startRedis()
afterAll(() => redis.close())

test('scale-out: one worker is killed, another one added, and nothing is lost', async () => {
  const root = new URL('../..', import.meta.url).pathname
  const loader = ['--import', `${root}test/support/from-source.ts`]
  const { stdout } = await promisify(execFile)(process.execPath, [...loader, 'examples/scale-out/main.ts'], {
    cwd: root,
    env: { ...process.env, REDIS_URL: redis.url },
  })
  const lines = stdout.trim().split('\n')
  expect(lines).toContain('40 are completed, one is cancelled, and one is a dead letter after two attempts')
  expect(lines).toContain('it was requeued: 200; there was still no data')
  expect(lines.at(-2)).toMatch(/^triage_workers_wanted\{queue="jobs"\} \d+$/)
  expect(lines.at(-1)).toBe('nothing that was acknowledged is lost')
})

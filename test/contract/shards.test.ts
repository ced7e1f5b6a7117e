import { BroadcastChannel } from 'node:worker_threads'
import { QueuedExecutor, type RunContext } from 'triage-queue'
import { shards } from 'triage-queue/threads'
import { onTestFinished, vi } from 'vitest'
import { crossing } from '../../src/threads/crossing.ts'
import type { ContractData, Heard, Told } from '../threads/fixtures/contract-shard.ts'
import { fixture } from '../threads/support.ts'
import { executorContract } from './executor.ts'

vi.setConfig({ testTimeout: 30_000 })

/** What a test has to say about one queue goes to one shard: they have one key, unless they name one. */
const key = (request: string): string => request.split(':')[1] ?? 'one'

executorContract('Shards', async (run, options) => {
  const make = (): QueuedExecutor<string, unknown> =>
    new QueuedExecutor<string, unknown>(run, { whenFull: 'reject', ...options })
  const all = shards<string, unknown>(3, make, { key })
  // A test that counts slots, or what may wait, means those of one shard.
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return all
})

executorContract('Shards in threads', async (run, { kinds = {}, ...options }) => {
  const name = `contract ${crypto.randomUUID()}`
  const channel = new BroadcastChannel(name)
  const controllers = new Map<string, AbortController>()
  channel.onmessage = async (event) => {
    const heard = (event as { data: Heard }).data
    if (heard.is === 'abort') return controllers.get(heard.run)?.abort()
    const controller = new AbortController()
    controllers.set(heard.run, controller)
    const executor = (heard.kind === undefined ? undefined : kinds[heard.kind]?.executor) ?? run
    try {
      const context = { id: heard.id, signal: controller.signal } as RunContext
      channel.postMessage({ run: heard.run, value: await executor(heard.request, context) } satisfies Told)
    } catch (error) {
      channel.postMessage({ run: heard.run, error: crossing(error) } satisfies Told)
    }
  }
  const data: ContractData = { channel: name, options, kinds: Object.keys(kinds) }
  const all = shards<string, unknown>(2, fixture('contract-shard'), { key, data, name: 'contract' })
  onTestFinished(async () => {
    await all.close({ drain: false, graceMs: 0 })
    channel.close()
  })
  // A thread takes its time to start.
  await all.getStatus()
  return all
})

/**
 * `top`: how is a service doing, now? The view of `triage-queue/terminal`, fed by asking the service.
 */
import type { ExecutorStatus } from '../../index.ts'
import { Client, clientFlags, serviceOf } from '../client.ts'
import { type Call, defineCommand, option, toggle, type Values } from '../command.ts'
import { endProcess } from '../end.ts'
import { cannot, Exit } from '../fault.ts'
import { printJson } from '../output.ts'
import { timeLimit } from '../parse.ts'
import { exitCodeOf, onSignals } from '../signals.ts'

const { tokenFile, queue } = clientFlags

const flags = {
  tokenFile,
  queue,
  interval: option('--interval <time>', 'how often it is asked', timeLimit, 1_000),
  once: toggle('--once', 'only once'),
  json: toggle('--json', 'a line of JSON each time'),
}

export const top = defineCommand({
  name: 'top',
  summary: 'Shows how a service is doing: what waits, how long, and the slots.',
  about: 'Drawn in place in a terminal, else a line when something has changed. Ctrl-C ends it.',
  args: [{ name: '[url]', what: 'the service (default http://127.0.0.1:8080)' }],
  flags,
  examples: [
    ['triage-queue top', 'the service of this machine'],
    ['triage-queue top queue.example.com --once --json', 'its status, for a script'],
  ],
  run,
})

/** So many times in a row without an answer, and it ends. */
const PATIENCE = 5

async function run(chosen: Values<typeof flags>, { args }: Call): Promise<number> {
  const client = new Client(serviceOf(args[0]), chosen.tokenFile)
  const path = `/v1/queues/${encodeURIComponent(await client.queue(chosen.queue))}`
  let status = await statusOf(client, path)
  const { watch } = await import('../../terminal/index.ts')
  const watched = { on: () => watched, off: () => watched, getStatus: () => status }
  // A frame soon after each answer; what is the same is not drawn again.
  const every = { intervalMs: Math.max(chosen.interval / 2, 50), plainIntervalMs: chosen.interval }
  // A plain view says only what has changed: so that it begins with a line, there was something else before.
  const shown = status
  if (process.stdout.isTTY !== true) status = { ...status, name: '' }
  const dispose = chosen.json ? () => {} : watch(watched, every)
  status = shown
  if (chosen.json) printJson(status)
  if (chosen.once) {
    dispose()
    return Exit.OK
  }
  return new Promise((resolve, reject) => {
    let failures = 0
    const ask = async (): Promise<void> => {
      try {
        status = await statusOf(client, path)
        failures = 0
        if (chosen.json) printJson(status)
      } catch (error) {
        if (++failures < PATIENCE) return
        clearInterval(timer)
        dispose()
        reject(error)
      }
    }
    const timer = setInterval(() => void ask(), chosen.interval)
    onSignals({
      first: (signal) => {
        clearInterval(timer)
        dispose()
        // To look on is no work that was left undone.
        resolve(signal === 'SIGINT' ? Exit.OK : exitCodeOf(signal))
      },
      second: (signal) => endProcess(exitCodeOf(signal)),
    })
  })
}

async function statusOf(client: Client, path: string): Promise<ExecutorStatus> {
  const { status, body } = await client.ask('GET', path)
  if (status === 200) return body as ExecutorStatus
  throw cannot(`${client.base}: HTTP ${status}`)
}

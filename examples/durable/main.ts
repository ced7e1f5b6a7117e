/**
 * `node examples/durable/main.ts`: the service is killed in the middle of its work, twice, and started again. Nothing is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const JOBS = 60

const folder = mkdtempSync(join(tmpdir(), 'triage-queue-durable-'))
let service: ChildProcess | undefined
try {
  const acknowledged = new Set<string>()
  for (let life = 1; life <= 2; life++) {
    const url = await start()
    const some = Array.from({ length: JOBS / 2 }, (_, i) => `job-${life}-${i}`)
    await Promise.all(some.map(async (id) => (await submit(url, id)) && acknowledged.add(id)))
    await sleep(150)
    await kill()
    console.log(
      `life ${life}: ${acknowledged.size} jobs acknowledged so far; killed with SIGKILL in the middle of its work`,
    )
  }
  const url = await start()
  const again = await states(url, acknowledged)
  console.log(`life 3: ${[...again].map(([state, count]) => `${count} ${state}`).join(', ')} right after the start`)
  let last = again
  for (let i = 0; i < 200 && last.get('completed') !== acknowledged.size; i++) {
    await sleep(50)
    last = await states(url, acknowledged)
  }
  const lost = acknowledged.size - (last.get('completed') ?? 0)
  console.log(
    `${acknowledged.size} jobs were acknowledged, ${last.get('completed') ?? 0} are completed, ${lost} are lost`,
  )
  service?.kill('SIGTERM')
  if (service !== undefined) await once(service, 'exit')
  process.exitCode = lost === 0 ? 0 : 1
} finally {
  service?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

/** Starts the service; fulfils with its address. */
async function start(): Promise<string> {
  const file = join(import.meta.dirname, 'service.ts')
  const { NODE_OPTIONS: _, PORT: __, ...env } = process.env
  const child = spawn(process.execPath, [...process.execArgv, file, join(folder, 'jobs.db')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  service = child
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return line.toString().trim()
}

async function kill(): Promise<void> {
  const child = service as ChildProcess
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** True: it is acknowledged. */
async function submit(url: string, id: string): Promise<boolean> {
  const options = { method: 'POST', headers: { 'idempotency-key': id }, body: `the text of ${id}` }
  return (await fetch(`${url}/jobs`, options)).status === 202
}

async function states(url: string, ids: Iterable<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const id of ids) {
    const { state = 'lost' } = (await (await fetch(`${url}/jobs/${id}`)).json()) as { state?: string }
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  return counts
}

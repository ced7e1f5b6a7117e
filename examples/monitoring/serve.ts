/**
 * How does it look in Prometheus and Grafana? The service of the demo under waves of load, with `/metrics` for a scrape.
 *
 *     node examples/monitoring/serve.ts        then: curl 127.0.0.1:9464/metrics, or what README.md here says
 *
 * What a service of yours needs of it is four lines, marked with ①. The load is in `traffic.ts`.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Registry } from 'prom-client'
// In your project: from 'triage-queue/prometheus'
import { prometheus } from '../../src/prometheus/index.ts'
// In your project: from 'triage-queue/sqlite'
import { openStore } from '../../src/sqlite/index.ts'
import { readArguments } from '../demo/arguments.ts'
import { makePlan } from '../demo/plan.ts'
import { Service } from '../demo/service-client.ts'
import { makeQueues, sendWaves } from './traffic.ts'

const GRACE_MS = 3_000

const HELP = `Serves the metrics of two queues under waves of load, until Ctrl-C.

  --port N      where: http://127.0.0.1:N/metrics; 0 takes a free port   (9464)
  --seconds N   ends by itself after that long                           (never)
  --help        this text
`

const { port, seconds, help } = read(process.argv.slice(2))
if (help) process.stdout.write(HELP)
else await serve()

async function serve(): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A second one means now; the service goes when its channel closes.
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  }
  const service = await Service.start((why) => fail(why))
  const { capacityPerSecond } = await makePlan(service, readArguments([]), [])
  // A file that goes with the process: yours stays, or there is nothing to come back.
  const directory = mkdtempSync(join(tmpdir(), 'triage-queue-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const store = await openStore(join(directory, 'archive.db'))
  const queues = makeQueues(service, capacityPerSecond, store)

  const registry = new Registry() // ①
  const disposers = [queues.demo, queues.archive].map((queue) => prometheus(queue, { registry })) // ①
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') return response.writeHead(404).end('there is /metrics\n')
    response.setHeader('content-type', registry.contentType) // ①
    return response.end(await registry.metrics()) // ①
  })
  server.on('error', (error) => fail(error.message))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  console.log(`metrics   http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics (Ctrl-C ends it)`)
  console.log(`load      waves of up to 3 times ${Math.round(capacityPerSecond)} requests a second`)

  if (seconds !== undefined) void sleep(seconds * 1_000, undefined, { ref: false }).then(() => stop.abort())
  await sendWaves(queues, capacityPerSecond, stop.signal)

  // In the order in which requests go through them: what the first finishes, the second still takes.
  for (const queue of [queues.demo, queues.archive]) {
    await queue.close({ graceMs: GRACE_MS })
    const { name, totals } = queue.getStatus()
    console.log(
      `${name.padEnd(9)} ${totals.admitted} admitted, ${totals.completed} completed, ${totals.rejected} refused`,
    )
  }
  for (const dispose of disposers) dispose()
  await store.close()
  server.close()
  server.closeAllConnections()
  service.stop()
}

function read(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: { port: { type: 'string' }, seconds: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    })
    return {
      port: number('port', values.port, 0, 65_535) ?? 9464,
      seconds: number('seconds', values.seconds, 0, 86_400),
      help: values.help ?? false,
    }
  } catch (error) {
    // Node's own text goes on to explain `--`; its first sentence is what the user needs.
    return fail((error as Error).message.split(/\. |\n/)[0] as string, 2)
  }
}

function number(flag: string, text: string | undefined, from: number, to: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text) && Number(text) >= from && Number(text) <= to) return Number(text)
  throw new Error(`--${flag} must be a whole number from ${from} to ${to}, but is '${text}'`)
}

function fail(why: string, code = 1): never {
  console.error(`monitoring: ${why}`)
  process.exit(code)
}

/** What is bundled: everything that it needs is in the bundle, which then runs where nothing is installed. */
import { trace } from '@opentelemetry/api'
import { Registry, register } from 'prom-client'
import { aging, isTriageError, QueuedExecutor } from 'triage-queue'
import { logTo } from 'triage-queue/log'
import { prometheus } from 'triage-queue/prometheus'
import { VirtualClock } from 'triage-queue/simulation'

async function main() {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((ms) => clock.sleep(ms), {
    name: 'bundled',
    clock,
    concurrency: 1,
    order: aging({}),
  })
  const silence = logTo(queue, console)
  prometheus(queue)
  const span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 })
  const traceApi = { getActiveSpan: () => span, isSpanContextValid: (context) => trace.isSpanContextValid(context) }
  const registry = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  prometheus(queue, { registry, exemplars: true, traceApi })
  prometheus(queue, { registry: new Registry(), exemplars: true, traceApi: trace })

  const answered = queue.execute(20)
  const refused = queue.execute(20, { waitTimeoutMs: 5 }).catch((error) => isTriageError(error) && error.code)
  await clock.run({ until: answered })
  if ((await refused) !== 'TRIAGE_WAIT_TIMEOUT') throw new Error(`refused with ${await refused}`)
  await clock.run({ until: queue.close() })
  silence()

  const text = await register.metrics()
  const line = 'triage_requests_ended_total{queue="bundled",priority="normal",outcome="completed"} 1'
  if (!text.includes(line)) throw new Error(`the default registry says\n${text}`)
  const traced = await registry.metrics()
  if (!traced.includes(`# {trace_id="${'1'.repeat(32)}"`)) throw new Error(`no exemplar in\n${traced}`)
  process.stdout.write('bundled\n')
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})

/**
 * The metrics, as Prometheus reads them: the families of `triage-queue/prometheus`, written out here, so that a service needs no
 * prom-client.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { readBuckets } from '../prometheus/buckets.ts'
import { families } from '../prometheus/families.ts'
import type { Labels } from '../prometheus/labels.ts'
import { Member } from '../prometheus/member.ts'
import type { MetricsRegistry, ObservedExecutor } from '../prometheus/options.ts'
import type { Service } from './service.ts'

const PREFIX = 'triage_'
/** It is registered nowhere. */
const noRegistry: MetricsRegistry = {
  contentType: '',
  registerMetric: () => {},
  getSingleMetric: () => undefined,
  removeSingleMetric: () => {},
}
const settings = { registry: noRegistry, prefix: PREFIX, labels: {}, bounds: readBuckets({}), traces: undefined }

const members = new WeakMap<object, Member>()

/** Of those executors that have histograms: those of this process, each of shards, and those elsewhere that are observed. */
export function metricsText({ queues }: Service): string {
  const readers = [...queues.values()].flatMap(({ executor }) => {
    const { observed } = executor
    if (observed !== undefined && typeof observed !== 'function')
      return observed.map((each) => memberOf(each.executor, { shard: each.shard }))
    if (executor.getHistograms !== undefined) return [memberOf(executor as unknown as ObservedExecutor, {})]
    if (observed === undefined) return []
    const known = members.get(executor) ?? memberOf(observed.call(executor) as unknown as ObservedExecutor, {})
    members.set(executor, known)
    return [known]
  })
  const lines: string[] = []
  for (const [index, family] of families.entries()) {
    const name = PREFIX + family.name
    lines.push(`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`)
    for (const member of readers) {
      const samples =
        family.type === 'histogram' ? member.histograms(family, index, name) : member.numbers(family, index)
      for (const { metricName = name, sharedLabels, labels, value } of samples) {
        lines.push(`${metricName}${labelsText({ ...sharedLabels, ...labels })} ${value}`)
      }
    }
  }
  return `${lines.join('\n')}\n`
}

function memberOf(executor: ObservedExecutor, labels: Labels): Member {
  const member = members.get(executor) ?? new Member(executor, { ...settings, labels }, undefined)
  members.set(executor, member)
  return member
}

function labelsText(labels: { readonly [name: string]: string | number }): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`)
  return all.length === 0 ? '' : `{${all.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

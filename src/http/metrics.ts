/**
 * The metrics, as Prometheus reads them: the families of `triage-queue/prometheus`, written out here, so that a service needs no
 * prom-client.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { readBuckets } from '../prometheus/buckets.ts'
import { families } from '../prometheus/families.ts'
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

/** Of those executors that have histograms, and of those elsewhere that are observed. */
export function metricsText({ queues }: Service): string {
  const readers = [...queues.values()].flatMap(({ executor }) => {
    let member = members.get(executor)
    if (member === undefined) {
      const observed = executor.getHistograms === undefined ? executor.observed?.() : executor
      if (observed === undefined) return []
      member = new Member(observed as unknown as ObservedExecutor, settings, undefined)
      members.set(executor, member)
    }
    return [member]
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

function labelsText(labels: { readonly [name: string]: string | number }): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`)
  return all.length === 0 ? '' : `{${all.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

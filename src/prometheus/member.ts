/**
 * What does one executor contribute? Its series, from a reading that all metrics of one scrape share.
 */
import { OptionsError } from '../core/errors.ts'
import type { Priority } from '../core/priority.ts'
import type { HistogramReading } from '../index.ts'
import type { Exemplar, Exemplars } from './exemplars.ts'
import type { HistogramFamily, NumberFamily, Reading } from './families.ts'
import { LabelSets, type Labels } from './labels.ts'
import type { ObservedExecutor, Settings } from './options.ts'

/** One line of the text, in the shape that prom-client's own histograms hand over. */
export interface Sample {
  readonly value: number
  readonly sharedLabels: Labels
  readonly labels: { readonly le?: number | '+Inf' }
  /** When it is not that of the metric. */
  readonly metricName?: string
  readonly exemplar?: Exemplar | undefined
}

const none = Object.freeze({})

export class Member {
  readonly identity: string
  readonly #executor: ObservedExecutor
  readonly #settings: Settings
  readonly #exemplars: Exemplars | undefined
  readonly #labels: LabelSets
  #reading: Reading | undefined
  #asked = -1

  constructor(executor: ObservedExecutor, settings: Settings, exemplars: Exemplars | undefined) {
    this.#executor = executor
    this.#settings = settings
    this.#exemplars = exemplars
    this.#labels = new LabelSets(executor.getStatus().name, settings.labels)
    this.identity = this.#labels.identity
  }

  /** @throws {OptionsError} that says which executor stands in its way */
  refuse(): never {
    const { labels } = this.#settings
    const taken = (JSON.parse(this.identity) as [string, string][]).map(([name, value]) => `${name}="${value}"`)
    const expected = `others than those of the executor that is on this registry already: ${taken.join(', ')}`
    const message = `Option 'labels': expected ${expected}; give each executor a \`name\` of its own, or \`labels\``
    throw new OptionsError('labels', expected, labels, undefined, message)
  }

  /** @param index of the family */
  numbers(family: NumberFamily, index: number): Sample[] {
    return family
      .read(this.#read(index))
      .map(([value, more = none as Labels]) => ({ value, labels: none, sharedLabels: this.#labels.with(more) }))
  }

  /** @param name of the family, with its prefix */
  histograms(family: HistogramFamily, index: number, name: string): Sample[] {
    const bounds = this.#settings.bounds[family.about]
    return family.read(this.#read(index)).flatMap(([histogram, more = none as Labels]) => {
      const { priority, outcome } = more
      const exemplars = outcome === undefined ? [] : (this.#exemplars?.of(priority as Priority, outcome) ?? [])
      return samplesOf(histogram, name, bounds, this.#labels.with(more), exemplars)
    })
  }

  /**
   * A scrape asks one metric after the other, in one synchronous stretch. Whoever asks later, or for another than the
   * next one, may find that something has happened since, and has a reading of his own.
   */
  #read(index: number): Reading {
    if (this.#reading === undefined || index !== this.#asked + 1) {
      this.#reading = { status: this.#executor.getStatus(), histograms: this.#executor.getHistograms() }
      queueMicrotask(() => {
        this.#reading = undefined
      })
    }
    this.#asked = index
    return this.#reading
  }
}

function samplesOf(
  histogram: HistogramReading | undefined,
  name: string,
  bounds: readonly number[],
  sharedLabels: Labels,
  exemplars: readonly (Exemplar | undefined)[],
): Sample[] {
  const { count, sumMs } = histogram ?? { count: 0, sumMs: 0 }
  const metricName = `${name}_bucket`
  const counts = histogram?.countsAtMost(bounds.map((le) => le * 1_000))
  const samples = bounds.map(
    (le, i): Sample => ({ metricName, labels: { le }, sharedLabels, value: counts?.[i] ?? 0, exemplar: exemplars[i] }),
  )
  const last = exemplars[bounds.length]
  samples.push(
    { metricName, labels: { le: '+Inf' }, sharedLabels, value: count, exemplar: last },
    { metricName: `${name}_sum`, labels: none, sharedLabels, value: sumMs / 1_000 },
    { metricName: `${name}_count`, labels: none, sharedLabels, value: count },
  )
  return samples
}

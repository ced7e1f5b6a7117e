/**
 * What does prom-client ask of a metric? Its name and kind, and at each scrape its values: `getForPromString()` for a
 * text, `get()` for JSON, from which a cluster's processes are summed up.
 */
import type { HistogramFamily, NumberFamily } from './families.ts'
import type { Member, Sample } from './member.ts'
import type { MetricsRegistry } from './options.ts'

/** What is handed over: by prom-client's own metrics too. */
interface Exposition<Value> {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly aggregator: string
  readonly values: Value[]
}

type JsonSample = Omit<Sample, 'sharedLabels' | 'labels'> & { labels: { [name: string]: string | number } }

/** Who shares it, and where. */
interface Sharing {
  readonly registry: MetricsRegistry
  readonly prefix: string
  readonly members: ReadonlySet<Member>
}

export class Metric {
  readonly group: Sharing
  readonly help: string
  readonly type: (NumberFamily | HistogramFamily)['type']
  readonly aggregator: (NumberFamily | HistogramFamily)['aggregator']
  readonly #family: NumberFamily | HistogramFamily
  readonly #index: number
  readonly #name: string
  #isForOpenMetrics = false

  constructor(group: Sharing, family: NumberFamily | HistogramFamily, index: number) {
    this.group = group
    this.help = family.help
    this.type = family.type
    this.aggregator = family.aggregator
    this.#family = family
    this.#index = index
    this.#name = group.prefix + family.name
  }

  get name(): string {
    return this.#name
  }

  // Before each OpenMetrics text prom-client takes `_total` off the names of counters, to put it on the samples. Ours
  // keep their names: the registry finds them by it, and the next text may be of the other type.
  set name(_: string) {
    this.#isForOpenMetrics = true
  }

  /** For a text. The registry may also be one that was merged from ours. */
  async getForPromString(): Promise<Exposition<Sample>> {
    const isOpenMetrics =
      this.#isForOpenMetrics || this.group.registry.contentType.startsWith('application/openmetrics')
    this.#isForOpenMetrics = false
    const name = isOpenMetrics && this.type === 'counter' ? this.#name.replace(/_total$/, '') : this.#name
    return this.#expose(name, this.#samples())
  }

  /** For JSON. */
  async get(): Promise<Exposition<JsonSample>> {
    const values = this.#samples().map(
      ({ sharedLabels, labels, ...sample }): JsonSample => ({ ...sample, labels: { ...labels, ...sharedLabels } }),
    )
    return this.#expose(this.#name, values)
  }

  /** Does nothing: the counters are the engine's own. */
  reset(): void {}

  #expose<Value>(name: string, values: Value[]): Exposition<Value> {
    return { name, help: this.help, type: this.type, aggregator: this.aggregator, values }
  }

  #samples(): Sample[] {
    const family = this.#family
    return [...this.group.members].flatMap((member) =>
      family.type === 'histogram'
        ? member.histograms(family, this.#index, this.#name)
        : member.numbers(family, this.#index),
    )
  }
}

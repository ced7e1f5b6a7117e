/**
 * What does a scraped text say? A strict reader of both formats, written from their specifications and not from what
 * prom-client does: it throws at whatever is not well-formed.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */

export interface Sample {
  readonly name: string
  readonly labels: { readonly [name: string]: string }
  readonly value: number
  readonly exemplar?: { readonly labels: { readonly [name: string]: string }; readonly value: number }
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly samples: Sample[]
}

type Format = 'prometheus' | 'openmetrics'

const suffixes: { readonly [type: string]: { readonly [F in Format]: readonly string[] } } = {
  gauge: { prometheus: [''], openmetrics: [''] },
  counter: { prometheus: [''], openmetrics: ['_total'] },
  summary: { prometheus: [''], openmetrics: [''] },
  histogram: { prometheus: ['_bucket', '_sum', '_count'], openmetrics: ['_bucket', '_sum', '_count'] },
}

export class Exposition {
  readonly families = new Map<string, Family>()
  readonly #values = new Map<string, Sample>()
  #current: Family | undefined

  constructor(text: string, format: Format = 'prometheus') {
    for (const line of linesOf(text, format)) {
      if (line.startsWith('# HELP ')) this.#begin(line, format)
      else if (line.startsWith('# TYPE ')) this.#type(line, format)
      else this.#sample(line, format)
    }
    for (const family of this.families.values()) {
      if (family.type === 'histogram') checkHistogram(family)
      if (family.type === 'summary') checkSummary(family)
    }
  }

  get samples(): Sample[] {
    return [...this.#values.values()]
  }

  /** The value of the one series with exactly these labels; undefined when there is none. */
  value(name: string, labels: { readonly [name: string]: string } = {}): number | undefined {
    return this.#values.get(keyOf(name, labels))?.value
  }

  /** All series of a name that have at least these labels. */
  having(name: string, labels: { readonly [name: string]: string }): Sample[] {
    const wanted = Object.entries(labels)
    return this.samples.filter(
      (each) => each.name === name && wanted.every(([key, value]) => each.labels[key] === value),
    )
  }

  sum(name: string, labels: { readonly [name: string]: string }): number {
    return this.having(name, labels).reduce((sum, { value }) => sum + value, 0)
  }

  #begin(line: string, format: Format): void {
    const [, name, help] = match(line, /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/)
    if (this.families.has(name)) throw new Error(`${name} comes twice`)
    const isEscaped = format === 'openmetrics' ? /^([^\\"]|\\[n"\\])*$/ : /^([^\\]|\\[n\\])*$/
    if (!isEscaped.test(help)) throw new Error(`not escaped: ${line}`)
    this.#enter({ name, type: '', samples: [] })
  }

  #type(line: string, format: Format): void {
    const [, name, type] = match(line, /^# TYPE (\S+) (gauge|counter|summary|histogram)$/)
    if (this.#current?.name !== name) throw new Error(`the type of ${name} is not behind its help`)
    if (type === 'counter' && name.endsWith('_total') !== (format === 'prometheus'))
      throw new Error(`bad name: ${name}`)
    this.#enter({ name, type, samples: [] })
  }

  #enter(family: Family): void {
    this.families.set(family.name, family)
    this.#current = family
  }

  #sample(line: string, format: Format): void {
    const family = this.#current
    const [, name, rest] = match(line, /^([a-zA-Z_:][a-zA-Z0-9_:]*)(.*)$/)
    if (family === undefined || !suffixes[family.type]?.[format].some((suffix) => name === family.name + suffix)) {
      throw new Error(`${name} does not belong to ${family?.name}`)
    }
    const [labels, behind] = readLabels(rest)
    const [, value, , exemplar] = match(behind, /^ ([^ ]+)( # (.+))?$/)
    if (exemplar !== '' && (format !== 'openmetrics' || !name.endsWith('_bucket'))) throw new Error(`exemplar: ${line}`)
    const sample = {
      name,
      labels,
      value: numberOf(value),
      ...(exemplar === '' ? {} : { exemplar: readExemplar(exemplar) }),
    }
    const key = keyOf(name, labels)
    if (this.#values.has(key)) throw new Error(`comes twice: ${line}`)
    this.#values.set(key, sample)
    family.samples.push(sample)
  }
}

function linesOf(text: string, format: Format): string[] {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('the last line does not end')
  if (format === 'prometheus') return lines.filter((line) => line !== '')
  if (lines.pop() !== '# EOF' || lines.includes('# EOF')) throw new Error('# EOF is not the last line')
  return lines
}

function readLabels(text: string): [{ [name: string]: string }, string] {
  const labels: { [name: string]: string } = {}
  if (!text.startsWith('{')) return [labels, text]
  let at = 1
  while (text[at] !== '}') {
    const [whole, name, value] = match(text.slice(at), /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"\n]|\\[\\"n])*)",?/)
    if (Object.hasOwn(labels, name)) throw new Error(`${name} comes twice in ${text}`)
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    at += whole.length
  }
  return [labels, text.slice(at + 1)]
}

function readExemplar(text: string): NonNullable<Sample['exemplar']> {
  const [labels, rest] = readLabels(text)
  const size = Object.entries(labels).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (size > 128) throw new Error(`an exemplar has more than 128 letters: ${text}`)
  const [, value, at] = match(rest, /^ (\S+) (\S+)$/)
  numberOf(at)
  return { labels, value: numberOf(value) }
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw new Error(`no number: ${text}`)
  return Number(text)
}

/** Buckets ascend and are cumulative, the last one is the count, exemplars lie in their buckets. */
function checkHistogram({ name, samples }: Family): void {
  const counts = new Map<string, number>()
  for (const each of samples) if (each.name === `${name}_count`) counts.set(keyOf('', each.labels), each.value)
  const ends = new Map<string, { bound: number; counted: number }>()
  for (const each of samples) {
    if (each.name !== `${name}_bucket`) continue
    const { le, ...labels } = each.labels
    const key = keyOf('', labels)
    const { bound, counted } = ends.get(key) ?? { bound: Number.NEGATIVE_INFINITY, counted: 0 }
    const end = { bound: numberOf(le as string), counted: each.value }
    if (end.bound <= bound || end.counted < counted) throw new Error(`${name} does not ascend at ${key}`)
    const at = each.exemplar?.value
    if (at !== undefined && (at > end.bound || at <= bound)) throw new Error(`an exemplar of ${name} is astray`)
    ends.set(key, end)
  }
  if (ends.size !== counts.size) throw new Error(`${name} has not a count for each of its series`)
  for (const [key, { bound, counted }] of ends) {
    if (bound !== Number.POSITIVE_INFINITY || counted !== counts.get(key))
      throw new Error(`${name} does not end at count`)
  }
}

/** Only quantiles, from 0 to 1. A sum and a count may be there, and ours are not known. */
function checkSummary({ name, samples }: Family): void {
  for (const { labels } of samples) {
    const quantile = numberOf(labels.quantile ?? 'none')
    if (quantile < 0 || quantile > 1) throw new Error(`${name} has no quantile ${quantile}`)
  }
}

function keyOf(name: string, labels: { readonly [name: string]: string }): string {
  return name + JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function match(text: string, pattern: RegExp): string[] & { 0: string; 1: string; 2: string; 3: string } {
  const found = pattern.exec(text)
  if (found === null) throw new Error(`not well-formed: ${text}`)
  return [...found].map((part) => part ?? '') as never
}

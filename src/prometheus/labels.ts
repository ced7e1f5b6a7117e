/**
 * Which series is it? The labels of one executor, and the sets that they make with a series' own.
 */
import { isPlain } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'

/** One label set. Kept and never changed: prom-client remembers the text of each set that it has seen. */
export type Labels = { readonly [name: string]: string }

const ours = ['queue', 'priority', 'reason', 'outcome', 'le', 'quantile']

/** @throws {OptionsError} */
export function readLabels(labels: unknown): Labels {
  if (!isPlain(labels)) throw new OptionsError('labels', 'an object of names and values', labels)
  const read: Record<string, string> = {}
  for (const [name, value] of Object.entries(labels)) {
    if (!/^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
      const expected = 'a name of letters, digits and _, without a digit or __ in front'
      throw new OptionsError(`labels.${name}`, expected, value)
    }
    if (ours.includes(name)) throw new OptionsError(`labels.${name}`, 'another name, since this one is taken', value)
    // Prometheus can't tell an empty value from none at all.
    if (typeof value !== 'string' || value === '') {
      throw new OptionsError(`labels.${name}`, 'a string that is not empty', value)
    }
    read[name] = value
  }
  return read
}

/** The label sets of one executor's series. */
export class LabelSets {
  readonly #own: Labels
  readonly #sets = new Map<string, Labels>()

  constructor(queue: string, more: Labels) {
    this.#own = { queue, ...more }
  }

  /** The same for the same labels, whatever their order: no two executors of one registry may have it. */
  get identity(): string {
    return JSON.stringify(Object.entries(this.#own).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** The set with some more labels: the same object for the same labels in the same order. */
  with(more: Labels): Labels {
    const key = JSON.stringify(more)
    let set = this.#sets.get(key)
    if (set === undefined) {
      set = Object.freeze({ ...this.#own, ...more })
      this.#sets.set(key, set)
    }
    return set
  }
}

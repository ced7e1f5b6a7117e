/**
 * What is counted, and not timed: see `counts.ts` one folder up.
 */
import type { Case } from '../case.ts'
import { COUNTING_FLAGS, type Counted, count } from '../counts.ts'
import { number, table } from '../table.ts'

const VARIANT = 'counts'
const subjects: readonly Counted[] = ['calls', 'promises', 'bytes']

export const countsCase: Case = {
  name: 'counts',
  about: 'clock readings, timers, promises, microtasks and bytes: what the guard in the tests holds to bounds',
  rounds: 1,
  flags: COUNTING_FLAGS,
  trials: () => subjects.map((subject) => ({ variant: VARIANT, subject })),

  async measure({ subject }) {
    const numbers: { [metric: string]: number } = {}
    for (const [name, value] of Object.entries(await count(subject as Counted))) {
      if (typeof value === 'number') numbers[name] = value
      else for (const [part, each] of Object.entries(value as object)) numbers[`${name}.${part}`] = each
    }
    return { numbers }
  },

  report(results) {
    const rows = results
      .summaries()
      .flatMap(({ subject, numbers }) =>
        Object.entries(numbers).map(([name, { median }]) => [`${subject}: ${name}`, number(median)]),
      )
    return `Counted, not timed (see bench/counts.ts for what each is)\n\n${table(['', 'count'], rows)}`
  },
}

/**
 * What may a store be asked for? The same of every store: a filter that does not fit is an error, never an empty page.
 */
import { numberThat, type OptionRule, oneOf, readGiven, wordList } from '../checks.ts'
import { priorities, tierOf } from '../priority.ts'
import type { StoreQuery } from '../store.ts'

type Query = StoreQuery & { readonly queue?: string | undefined }

const aString: OptionRule = { expected: 'a string', fits: (value) => typeof value === 'string' }

const rules = {
  state: /* @__PURE__ */ oneOf(
    'held',
    'waiting',
    'running',
    'live',
    'completed',
    'expired',
    'cancelled',
    'shed',
    'dead',
  ),
  priority: { expected: wordList(priorities), fits: (value: unknown) => tierOf(value) >= 0 },
  ...{ id: aString, error: aString, queue: aString },
  cursor: { expected: 'a cursor that a page has given', fits: isCursor },
  limit: /* @__PURE__ */ numberThat('a number', (value) => !Number.isNaN(value)),
}

/** @throws {OptionsError} */
export function readQuery(query: Query): Query {
  const { limit = 100, ...rest } = readGiven<Query>('', query, rules)
  return { ...rest, limit: Math.min(Math.max(Math.floor(limit), 1), 1_000) }
}

/** The cursor of a page is the number of its last record. */
export function seqOf(cursor: string): number {
  return Number.parseInt(cursor, 36)
}

function isCursor(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-z]{1,12}$/.test(value) && Number.isSafeInteger(seqOf(value))
}

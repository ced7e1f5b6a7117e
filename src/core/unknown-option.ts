/**
 * What is said of an option that does not exist: which one was meant, or where it belongs.
 *
 * The aliases are what other queues call it (p-queue, bottleneck, p-limit, fastq, async, BullMQ); all else is found by the number
 * of letters that differ.
 */
import { describe } from './any-value.ts'
import { OptionsError } from './errors.ts'

/** The options of somebody else, and whose they are: `'a request'`. */
export interface Elsewhere {
  readonly names: readonly string[]
  readonly owner: string
}

/** What else an option may be called: in lower case, without - and _. */
const aliases: { readonly [option: string]: string } = {
  concurrency: 'maxconcurrent maxconcurrency maxparallel parallelism parallel workers slots limit max',
  maxQueueSize: 'maxsize queuesize queuelimit maxqueue maxqueuelength maxpending highwater highwatermark capacity',
  whenFull: 'strategy onfull overflow',
  rateLimit: 'mintime reservoir interval intervalcap throttle rate limiter',
  retry: 'retries attempts maxretries',
  overload: 'guard guards',
  schema: 'validate validator',
  order: 'policy scheduler',
  onListenerError: 'onerror',
  cost: 'weight',
  priority: 'prio importance',
  id: 'key requestid jobid idempotencykey',
  signal: 'abortsignal abortcontroller controller',
  metadata: 'meta data context',
  after: 'dependson dependencies',
  startAt: 'runat at',
  runTimeoutMs: 'expiration',
  waitTimeoutMs: 'ttl',
  graceMs: 'timeout timeoutms',
}

/** The error for an option that does not exist. */
export function unknownOption(
  path: string,
  known: readonly string[],
  value: unknown,
  elsewhere?: Elsewhere,
): OptionsError {
  const name = path.slice(path.lastIndexOf('.') + 1)
  const meant = suggestionFor(name, known)
  const meantElsewhere = elsewhere === undefined ? undefined : suggestionFor(name, elsewhere.names)
  const expected = meant === undefined ? `one of ${known.join(', ')}` : `'${meant}'`
  let hint = `expected ${expected}`
  if (meantElsewhere === name || (meant === undefined && meantElsewhere !== undefined)) {
    hint = `'${meantElsewhere}' is an option of ${elsewhere?.owner}`
  } else if (meant !== undefined) hint = `did you mean '${meant}'?`
  return new OptionsError(path, expected, value, undefined, `Unknown option ${describe(path)}: ${hint}`)
}

/** The option that was meant, perhaps; undefined: there is none like it. */
function suggestionFor(name: string, known: readonly string[]): string | undefined {
  const word = wordOf(name)
  const same = known.find((option) => wordOf(option) === word || wordOf(option) === `${word}ms`)
  if (same !== undefined) return same
  const called = known.find((option) => Object.hasOwn(aliases, option) && aliases[option]?.split(' ').includes(word))
  if (called !== undefined) return called
  let [nearest, least] = [undefined as string | undefined, Number.POSITIVE_INFINITY]
  for (const option of known) {
    const distance = distanceOf(word, wordOf(option))
    if (distance < least && distance <= Math.min(2, word.length / 2, option.length / 2)) {
      nearest = option
      least = distance
    }
  }
  return nearest
}

function wordOf(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '')
}

/** How many letters must be put in, taken out, replaced, or swapped with the next one (optimal string alignment). */
function distanceOf(one: string, other: string): number {
  // What is longer by three can't be near; and a name of any length must not take any time.
  if (Math.abs(one.length - other.length) > 2) return Number.POSITIVE_INFINITY
  let [before, last] = [[] as number[], Array.from({ length: other.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const differs = one[i - 1] === other[j - 1] ? 0 : 1
      let least = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + differs)
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        least = Math.min(least, (before[j - 2] as number) + 1)
      }
      row.push(least)
    }
    ;[before, last] = [last, row]
  }
  return last[other.length] as number
}

/**
 * How urgent is it? The four words, and the tier that each one stands for.
 *
 * A tier is an index, 0 for the most urgent: arrays, counters and comparisons use it; people and wires read the word.
 */

/** The priorities, most urgent first: `urgent > high > normal > low`. The values are the words themselves. */
export const Priority = {
  URGENT: 'urgent',
  HIGH: 'high',
  NORMAL: 'normal',
  LOW: 'low',
} as const

export type Priority = (typeof Priority)[keyof typeof Priority]

/** All priorities, most urgent first: `priorities[tier]` is the word for a tier. */
export const priorities: readonly Priority[] = Object.freeze(Object.values(Priority))

/** How many tiers there are. */
export const TIERS = 4

/** The tier of a request that names no priority. */
export const NORMAL = 2

/** One value for each priority. */
export type ByPriority<T> = { -readonly [P in Priority]: T }

/**
 * The tier of a priority, or -1 for anything that is not one of the four words.
 *
 * A switch, not a look-up in an object: 'constructor' and '__proto__' are no priorities.
 */
export function tierOf(priority: unknown): number {
  switch (priority) {
    case 'urgent':
      return 0
    case 'high':
      return 1
    case 'normal':
      return 2
    case 'low':
      return 3
    default:
      return -1
  }
}

/** Is it one of the four words? For what comes from outside: `isPriority(header) ? header : 'normal'`. */
export function isPriority(value: unknown): value is Priority {
  return tierOf(value) >= 0
}

/** The word for a tier. */
export function priorityOf(tier: number): Priority {
  return priorities[tier] as Priority
}

/** Builds a plain object with one value for each priority, in their order. */
export function byPriority<T>(value: (tier: number) => T): ByPriority<T> {
  return { urgent: value(0), high: value(1), normal: value(2), low: value(3) }
}

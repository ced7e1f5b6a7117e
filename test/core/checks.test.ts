/**
 * The words that all stations share: checks of options, and priorities.
 */
import { OptionsError } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import {
  aFunction,
  isCount,
  numberThat,
  readGiven,
  requireConcurrency,
  requireOptions,
  requireTier,
  wordList,
} from '../../src/core/checks.ts'
import { byPriority, Priority, priorities, priorityOf, TIERS, tierOf } from '../../src/core/priority.ts'
import { unknownOption } from '../../src/core/unknown-option.ts'

describe('priorities', () => {
  test('are four words, most urgent first, each with its tier', () => {
    expect(priorities).toEqual(['urgent', 'high', 'normal', 'low'])
    expect(Priority).toEqual({ URGENT: 'urgent', HIGH: 'high', NORMAL: 'normal', LOW: 'low' })
    expect(TIERS).toBe(priorities.length)
    expect(priorities.map(tierOf)).toEqual([0, 1, 2, 3])
    expect([0, 1, 2, 3].map(priorityOf)).toEqual(priorities)
    expect(Object.entries(byPriority((tier) => tier * 10))).toEqual([
      ['urgent', 0],
      ['high', 10],
      ['normal', 20],
      ['low', 30],
    ])
  })

  test('can not be changed by anyone', () => {
    expect(Object.isFrozen(priorities)).toBe(true)
  })

  test.each([['constructor'], ['__proto__'], [''], ['URGENT'], [0], [null], [undefined]])('%j is none', (word) => {
    expect(tierOf(word)).toBe(-1)
    expect(() => requireTier(word)).toThrow(
      "Option 'priority': expected one of 'urgent', 'high', 'normal', 'low', got ",
    )
  })
})

describe('checks', () => {
  test('a tier or a concurrency is given back when it is one', () => {
    expect(priorities.map(requireTier)).toEqual([0, 1, 2, 3])
    expect(requireConcurrency(1)).toBe(1)
    for (const none of [0, 2.5, Number.NaN, '5', Number.POSITIVE_INFINITY]) {
      expect(() => requireConcurrency(none)).toThrow("Option 'concurrency': expected an integer of at least 1, got ")
    }
  })

  test('a count is an integer from the least on', () => {
    expect([isCount(2, 2), isCount(1, 2), isCount(2.5, 2), isCount('2', 2)]).toEqual([true, false, false, false])
  })

  test('rules know what they are for', () => {
    expect([aFunction.fits(() => 1), aFunction.fits('f'), aFunction.expected]).toEqual([true, false, 'a function'])
    const rule = numberThat('more than 2', (value) => !(value <= 2))
    expect([rule.fits(3), rule.fits(2), rule.fits('3'), rule.fits(undefined)]).toEqual([true, false, false, false])
    expect(rule.expected).toBe('more than 2')
  })

  test('an option that does not exist is told with those that do', () => {
    const error = unknownOption('codel.target', ['targetMs', 'intervalMs'], 5)
    expect(error).toBeInstanceOf(OptionsError)
    expect(error.message).toBe("Unknown option 'codel.target': did you mean 'targetMs'?")
    expect(wordList(['a', 'b'])).toBe("one of 'a', 'b'")
    expect(() => requireOptions('codel', { targetMs: 1 }, ['targetMs'])).not.toThrow()
    expect(() => requireOptions('codel', { target: 5 }, ['targetMs', 'intervalMs'])).toThrow(error)
  })

  test('options are read as they are described', () => {
    const count = { expected: 'a count', fits: (value: unknown) => isCount(value, 1) }
    const anything = { expected: 'anything', fits: () => true }
    const rules = { size: { ...count, parts: { low: count } }, list: anything, name: anything }
    const list = [1]
    const read = readGiven<{ size?: unknown; list?: unknown; name?: unknown }>(
      '',
      { size: 2, list, name: undefined },
      rules,
    )
    expect(read).toEqual({ size: 2, list: [1] })
    expect([read.list === list, 'name' in read]).toEqual([false, false])
    expect(readGiven('mine', { size: Object.create({ low: 3 }) }, rules)).toEqual({ size: { low: 3 } })
    const message = (options: unknown, owner = 'mine'): unknown => {
      try {
        return readGiven(owner, options, rules)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(message({ size: 0 }, '')).toBe("Option 'size': expected a count, got 0")
    expect(message({ size: 0 })).toBe("Option 'mine.size': expected a count, got 0")
    expect(message({ size: [1] })).toBe("Option 'mine.size': expected a count, got [1]")
    expect(message({ size: { low: 0 } })).toBe("Option 'mine.size.low': expected a count, got 0")
    expect(message({ size: { high: 1 } })).toContain("Unknown option 'mine.size.high'")
    expect(message({ nome: 1 }, '')).toContain("Unknown option 'nome'")
    for (const none of [null, undefined, 5, []]) {
      expect(message(none, '')).toContain("Option 'options': expected an object, got ")
      expect(message(none)).toContain("Option 'mine': expected an object, got ")
    }
  })

  test.each([[null], [undefined], [5], [[]], ['text']])('%j are no options', (options) => {
    expect(() => requireOptions('codel', options, [])).toThrow("Option 'codel': expected an object, got ")
  })
})

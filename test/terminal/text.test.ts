/**
 * Is each number, bar and line what it says, and does it fit?
 */
import { describe, expect, test } from 'vitest'
import { Rate } from '../../src/terminal/rate.ts'
import { bar, count, drawLine, duration, printable, rate, sparkline } from '../../src/terminal/text.ts'

const tagged = (style: unknown, text: string): string => `<${style}>${text}</>`

describe('a line', () => {
  const line = [{ text: 'ab' }, { text: 'cdef', style: 'red' as const }, { text: 'gh' }]

  test('is cut to its columns, never inside a style', () => {
    expect(drawLine(line, 80, tagged)).toEqual({ text: 'ab<red>cdef</>gh', width: 8 })
    expect(drawLine(line, 4, tagged)).toEqual({ text: 'ab<red>cd</>', width: 4 })
    expect(drawLine(line, 2, tagged)).toEqual({ text: 'ab', width: 2 })
    expect(drawLine(line, 0, tagged)).toEqual({ text: '', width: 0 })
  })

  test('counts wide characters twice, and never cuts one in half', () => {
    expect(drawLine([{ text: '日本語🚀x' }], 80, tagged)).toEqual({ text: '日本語🚀x', width: 9 })
    expect(drawLine([{ text: '日本語🚀x' }], 7, tagged)).toEqual({ text: '日本語', width: 6 })
  })
})

test('a name can not move the cursor, ring the bell, or fill the line', () => {
  expect(printable('a\x1b[2J\x07\n\u202eb\u2028')).toBe('a�[2J���b�')
  expect(printable('x'.repeat(1_000))).toHaveLength(40)
  expect(printable('naïve 日本 🚀')).toBe('naïve 日本 🚀')
})

test.each([
  [0, 0, '        '],
  [0.001, 8, '▏       '],
  [0.5, 8, '████    '],
  [0.56, 8, '████▌   '],
  [1, 8, '████████'],
  [3, 8, '████████'],
])('a share of %d as a bar', (share, width, drawn) => {
  expect(bar(share, width || 8)).toBe(drawn)
})

test('in a sparkline the highest is as high as a line, and only zero lies on the ground', () => {
  expect(sparkline([0, 0.01, 7, 14])).toBe('▁▂▅█')
  expect(sparkline([0, 0])).toBe('▁▁')
  expect(sparkline([])).toBe('')
})

test('numbers have the digits that matter', () => {
  expect([0, 0.04, 9.94, 12.3, 999, 1_000, 59_000, 60_000, 3_600_000].map(duration)).toEqual([
    '0 ms',
    '0 ms',
    '9.9 ms',
    '12 ms',
    '999 ms',
    '1.0 s',
    '59.0 s',
    '1.0 min',
    '1.0 h',
  ])
  expect([undefined, 0, 0.25, 9.5, 1234.5].map(rate)).toEqual(['–', '0', '0.3', '9.5', '1,235'])
  expect(count(1_234_567)).toBe('1,234,567')
})

describe('a rate', () => {
  test('is not known in the first second, then the mean of the last five', () => {
    const rate = new Rate()
    rate.look(0, 100)
    rate.look(900, 190)
    expect(rate.perSecond).toBeUndefined()
    for (let second = 1; second <= 10; second++) rate.look(second * 1_000, 100 + 100 * second)
    expect(rate.perSecond).toBeCloseTo(100)
    rate.look(12_500, 1_100)
    expect(rate.lastMinute).toHaveLength(12)
    expect(rate.perSecond).toBeCloseTo(60)
  })

  test('spreads what came between two looks over the seconds between them', () => {
    const rate = new Rate()
    rate.look(500, 0)
    rate.look(3_000, 250)
    rate.look(3_500, 350)
    expect(rate.lastMinute.map(Math.round)).toEqual([100, 100, 150])
  })

  test('keeps a minute, also when nobody has looked for longer', () => {
    const rate = new Rate()
    rate.look(0, 0)
    for (let second = 1; second <= 200; second++) rate.look(second * 1_000, second)
    expect(rate.lastMinute).toEqual(new Array(60).fill(1))
    rate.look(1_200_000, 200 + 2_000)
    expect(rate.lastMinute.map(Math.round)).toEqual(new Array(60).fill(2))
  })

  test('loses nothing to looks at the same instant, and begins anew when time does', () => {
    const rate = new Rate()
    rate.look(0, 0)
    rate.look(0, 5)
    rate.look(1_000, 10)
    expect(rate.lastMinute).toEqual([10])
    rate.look(10, 20)
    expect(rate.lastMinute).toEqual([])
    rate.look(1_010, 30)
    expect(rate.lastMinute).toEqual([10])
  })
})

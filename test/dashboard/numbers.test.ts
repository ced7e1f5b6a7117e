/** How numbers are written, where axes end, and which colours tiers have. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { countTopOf, decadesOf, spread, topOf } from '../../src/dashboard/scale.ts'
import {
  clockMinute,
  clockTime,
  count,
  duration,
  many,
  middle,
  preciseTime,
  rate,
  seconds,
  shortCount,
  shortRate,
  shortSeconds,
  shortTime,
  withTimes,
} from '../../src/dashboard/units.ts'

test('numbers of tables', () => {
  expect([count(1_204_881), count(0), seconds(27_600), seconds(1_204_500), seconds(4)]).toEqual([
    '1,204,881',
    '0',
    '27.60',
    '1,204.50',
    '0.00',
  ])
  expect([rate(0), rate(31.24), rate(9_999.9), rate(39_999.6)]).toEqual(['0', '31.2', '9,999.9', '40,000'])
})

test('where there is little room no number has more than seven digits, and none of them is rounded up to more', () => {
  expect([27_600, 999_994, 999_995, 604_923_456, 999_999_499, 999_999_500].map(shortSeconds)).toEqual([
    ...['27.60', '999.99', '1,000', '604,923', '999,999', '11 d'],
  ])
  expect([9_999, 10_000, 123_456, 1_234_567].map(shortCount)).toEqual(['9,999', '10K', '123.5K', '1.2M'])
  expect([420, 9_949, 9_950, 72_000, 999_499, 1_200_000, 50_400_000, 604_800_000].map(shortTime)).toEqual([
    ...['420 ms', '9.9 s', '10 s', '72 s', '999 s', '20 min', '14 h', '7 d'],
  ])
  expect([rate(999_999.4), rate(1_234_567), shortRate(217_287.6)]).toEqual(['999,999', '1.2M', '217.3K'])
})

test('numbers of sentences', () => {
  expect([0, 0.4, 420, 999.6, 2_340, 28_400, 60_000, 72_400, 3_600_000, 8_040_000, 259_200_000].map(duration)).toEqual([
    ...['0 ms', '0.4 ms', '420 ms', '1.0 s', '2.3 s', '28 s', '1 min', '1 min 12 s', '1 h', '2 h 14 min', '3 days'],
  ])
  expect([shortRate(31.4), shortRate(2.44), shortRate(0.3)]).toEqual(['31', '2.4', '0.3'])
  expect([many(1, 'slot'), many(12, 'slot')]).toEqual(['1 slot', '12 slots'])
})

test('times are of UTC; of another day with the day', () => {
  const now = Date.UTC(2026, 10, 29, 3, 12, 9)
  expect([clockTime(now), clockMinute(now)]).toEqual(['03:12:09', '03:12'])
  expect(preciseTime('2026-11-29T03:12:08.937Z', now)).toBe('03:12:08.937')
  expect(preciseTime('2026-11-28T23:59:59.001Z', now)).toBe('11-28 23:59:59.001')
})

test('ids are cut in the middle, between characters', () => {
  expect(middle('sum-8f21c0', 28)).toBe('sum-8f21c0')
  expect(middle('abcdefghij', 5)).toBe('ab…ij')
  expect(middle('😀😀😀😀😀😀', 5)).toBe('😀😀…😀😀')
})

test('an axis ends at 1, 1.2, 1.5, 2, 3, 4, 6, 8 × 10ⁿ', () => {
  expect([0, 0.9, 1, 1.1, 47, 78, 81, 144, 1_000, 9_999].map(topOf)).toEqual([
    1, 1, 1, 1.2, 60, 80, 100, 150, 1_000, 10_000,
  ])
})

test('an axis of what is counted has whole numbers', () => {
  expect([0, 1, 2, 3, 12.6, 77, 144].map(countTopOf)).toEqual([2, 2, 2, 4, 16, 80, 150])
})

test('a scale of waits has whole decades around what there is', () => {
  expect(decadesOf([])).toEqual([10, 1_000])
  expect(decadesOf([null, 0])).toEqual([10, 1_000])
  expect(decadesOf([182, 9_960])).toEqual([100, 10_000])
  expect(decadesOf([100])).toEqual([100, 1_000])
  expect(decadesOf([0.4])).toEqual([expect.closeTo(0.1), 1])
})

test('labels keep apart, in their order and inside', () => {
  expect(spread([10, 11, 50], 14, 0, 100)).toEqual([10, 24, 50])
  expect(spread([98, 99, 100], 14, 0, 100)).toEqual([72, 86, 100])
  expect(spread([], 14, 0, 100)).toEqual([])
})

test('the dark colours are the same ones, chosen by hand or by the system', () => {
  const tokens = readFileSync(new URL('../../src/dashboard/tokens.css', import.meta.url), 'utf8')
  const [byHand, bySystem, ...others] = [...tokens.matchAll(/\{([^{}]*color-scheme: dark;)\s*\}/g)].map(
    ([, all]) => all,
  )
  expect([byHand, others]).toEqual([bySystem, []])
  expect(byHand).toContain('--ink: ')
})

test('a tier has one colour, on the page, on its icon, in the docs, and in the dashboard for Grafana, which is dark', () => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const tokens = read('src/dashboard/tokens.css')
  const [docs, grafana, page] = [
    read('docs/dashboard.md'),
    read('examples/monitoring/grafana-dashboard.json'),
    read('src/http/page.ts'),
  ]
  for (const tier of ['urgent', 'high', 'normal', 'low']) {
    const [light, ...dark] = [...tokens.matchAll(new RegExp(`--${tier}: (#[0-9a-f]{6});`, 'g'))].map(
      ([, color]) => color as string,
    )
    expect(new Set(dark).size).toBe(1)
    expect(docs).toMatch(new RegExp(`^\\| ${tier.toUpperCase()} \\| \`${light}\`.*\`${dark[0]}\``, 'm'))
    expect(page).toContain(`%23${light?.slice(1)}`)
    const series = [
      ...grafana.matchAll(
        new RegExp(`"options": "${tier}" \\},\\s*"properties": \\[\\s*\\{[^}]*"fixedColor": "([^"]*)"`, 'g'),
      ),
    ]
    expect(series.length).toBeGreaterThan(4)
    expect([...new Set(series.map(([, color]) => color))]).toEqual([dark[0]])
  }
})

test('times of settings, where they say the same', () => {
  const said = [
    '300000 ms',
    '1500 ms',
    '1234 ms',
    '12345 ms',
    '500 ms',
    '5400000 ms',
    '5400001 ms',
    '259200000 ms',
    '259201000 ms',
  ]
  expect(said.map(withTimes)).toEqual([
    '5 min',
    '1.5 s',
    '1234 ms',
    '12345 ms',
    '500 ms',
    '1 h 30 min',
    '5400001 ms',
    '3 days',
    '259201000 ms',
  ])
  expect(withTimes('may wait 4000 ms, run 30000 ms')).toBe('may wait 4.0 s, run 30 s')
})

/**
 * What a run takes usually, and how sure that is: each window is a mean, and the square of its relative standard error.
 */
import { expect, test } from 'vitest'
import { UsualRun } from '../../../../src/core/run/limits/usual-run.ts'

const window = (runMs: number, inflight = 10, uncertainty = 0.02) => ({ runMs, inflight, uncertainty })

function after(...windows: ReturnType<typeof window>[]): UsualRun {
  const usual = new UsualRun()
  for (const each of windows) usual.add(each)
  return usual
}

test('knows nothing before the first window, and then what that one says', () => {
  expect(after()).toMatchObject({ ms: 0, inflight: 0, windows: 0 })
  expect(after(window(100, 7))).toMatchObject({ ms: 100, inflight: 7, windows: 1 })
})

test('each window counts for less, the more there were, but never for less than an eighth', () => {
  const usual = after(window(120, 10))
  const steps: number[] = []
  for (let i = 0; i < 9; i++) {
    const { ms, inflight } = usual
    usual.add(window(ms + 12, inflight + 12))
    steps.push(12 / (usual.ms - ms))
    expect(usual.inflight - inflight).toBeCloseTo(usual.ms - ms, 9)
  }
  for (const [i, one] of [3, 4, 5, 6, 7, 8, 8, 8, 8].entries()) expect(steps[i]).toBeCloseTo(one, 9)
})

test('a window that is two and a half standard errors off, and not less, is of another downstream', () => {
  // 2.5 · √0.04 is a half.
  expect(after(window(100, 10, 0.04), window(150, 16, 0.04))).toMatchObject({ windows: 2, inflight: 12 })
  expect(after(window(100, 10, 0.04), window(50, 16, 0.04)).windows).toBe(2)
  for (const runMs of [150.1, 49.9]) {
    const usual = after(window(100, 10, 0.04), window(100, 10, 0.04), window(runMs, 16, 0.04))
    expect(usual).toMatchObject({ ms: runMs, inflight: 16, windows: 1 })
  }
})

test('once the limit has moved, the next windows count for more', () => {
  const usual = after(window(100), window(100), window(100))
  usual.moved()
  expect(usual).toMatchObject({ ms: 100, inflight: 10, windows: 0 })
  usual.add(window(110, 12))
  expect(usual).toMatchObject({ ms: 105, inflight: 11, windows: 1 })
})

test('the noise is two standard errors of a mean of at most three windows, one less of a single one, and at most all', () => {
  const usual = after(window(100))
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.02 / 2), 12)
  usual.add(window(100))
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.02 / 3), 12)
  usual.add(window(100))
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.02 / 3), 12)
  usual.moved()
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.02), 12)
  expect(after(window(100, 10, 4)).noise).toBe(1)
})

test('how much windows vary is known from many of them, each counting for a tenth, also across a new start', () => {
  const usual = after(window(100, 10, 0.02), window(100, 10, 0.12))
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.03 / 3), 12)
  usual.startAnew(window(50, 5))
  expect(usual).toMatchObject({ ms: 50, inflight: 5, windows: 0 })
  expect(usual.noise).toBeCloseTo(2 * Math.sqrt(0.03), 12)
})

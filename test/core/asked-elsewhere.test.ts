import { OptionsError } from 'triage-queue'
import { expect, test } from 'vitest'
import { askedElsewhere } from '../../src/core/asked-elsewhere.ts'

test('what a request asks for elsewhere is read as here, its times as ms from now', () => {
  const { tier, extras } = askedElsewhere({ priority: 'low', id: 'a', delayMs: 30, deadline: Date.now() - 5_000 })
  expect([tier, extras?.id, extras?.later?.startAt]).toEqual([3, 'a', 30])
  expect(extras?.later?.deadlineAt).toBeLessThanOrEqual(-5_000)
  expect(askedElsewhere({})).toMatchObject({ tier: 2, extras: undefined })
  expect(() => askedElsewhere({ timeout: 5 } as never)).toThrow(OptionsError)
})

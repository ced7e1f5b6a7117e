import { afterEach, expect, test, vi } from 'vitest'
import { environment } from '../../src/core/environment.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test('says what is there, and undefined for what is not', () => {
  vi.stubEnv('TRIAGE_TEST', 'here')
  expect([environment('TRIAGE_TEST'), environment('TRIAGE_TEST_NONE')]).toEqual(['here', undefined])
})

test('where it may not be asked, nothing is there', () => {
  vi.spyOn(process, 'env', 'get').mockReturnValue(
    new Proxy({} as NodeJS.ProcessEnv, {
      get: () => {
        throw new Error('Requires env access')
      },
    }),
  )
  expect(environment('TRIAGE_DEBUG')).toBeUndefined()
})

import { jest, test } from 'bun:test'
import * as library from 'triage-queue'
import scenarios from './scenarios.cjs'

scenarios.register(test, library, {
  install: () => jest.useFakeTimers(),
  uninstall: () => jest.useRealTimers(),
  tick: async (ms) => {
    await scenarios.microtasks()
    jest.advanceTimersByTime(ms)
    await scenarios.microtasks()
  },
  isReadable: true,
})

import * as library from 'triage-queue'
import { test, vi } from 'vitest'
import scenarios from './scenarios.cjs'

const timers = (options) => ({
  install: () => vi.useFakeTimers(options),
  uninstall: () => vi.useRealTimers(),
  tick: (ms) => vi.advanceTimersByTimeAsync(ms),
  isReadable: true,
})
scenarios.register(test, library, timers(), 'by default: ')
scenarios.register(test, library, timers({ toFake: ['setTimeout', 'clearTimeout'] }), 'only setTimeout: ')

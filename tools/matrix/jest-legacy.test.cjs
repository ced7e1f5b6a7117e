const library = require('triage-queue')
const { microtasks, register } = require('./scenarios.cjs')

register(test, library, {
  install: () => jest.useFakeTimers({ legacyFakeTimers: true }),
  uninstall: () => jest.useRealTimers(),
  tick: async (ms) => {
    await microtasks()
    jest.advanceTimersByTime(ms)
    await microtasks()
  },
  isReadable: false,
})

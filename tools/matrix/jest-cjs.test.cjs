const library = require('triage-queue')
const scenarios = require('./scenarios.cjs')

const timers = (options) => ({
  install: () => jest.useFakeTimers(options),
  uninstall: () => jest.useRealTimers(),
  tick: (ms) => jest.advanceTimersByTimeAsync(ms),
  isReadable: true,
})
scenarios.register(test, library, timers(), 'by default: ')
scenarios.register(test, library, timers({ doNotFake: ['performance', 'Date', 'hrtime'] }), 'no clock: ')

import test, { mock } from 'node:test'
import * as library from 'triage-queue'
import scenarios from './scenarios.cjs'

const timers = (options) => ({
  install: () => mock.timers.enable(options),
  uninstall: () => mock.timers.reset(),
  tick: async (ms) => {
    await scenarios.microtasks()
    mock.timers.tick(ms)
    await scenarios.microtasks()
  },
  isReadable: true,
})
const registered = (name, run) => test(name, run)
scenarios.register(registered, library, timers(), 'by default: ')
scenarios.register(registered, library, timers({ apis: ['setTimeout'] }), 'only setTimeout: ')

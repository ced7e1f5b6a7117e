import test from 'node:test'
import sinon from 'sinon'
import * as library from 'triage-queue'
import scenarios from './scenarios.cjs'

const timers = (options) => {
  let clock
  return {
    install: () => {
      clock = sinon.useFakeTimers(options)
    },
    uninstall: () => clock.restore(),
    tick: (ms) => clock.tickAsync(ms),
    isReadable: true,
  }
}
const registered = (name, run) => test(name, run)
scenarios.register(registered, library, timers(), 'by default: ')
scenarios.register(registered, library, timers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }), 'not performance: ')

/** Fake timers where there is no runner of ours: the scenarios, one after the other, under those of sinon. */
import * as sinon from 'sinon'
import * as library from 'triage-queue'
import scenarios from './scenarios.cjs'

const { useFakeTimers } = sinon.default ?? sinon

const timers = (options) => {
  let clock
  return {
    install: () => {
      clock = useFakeTimers(options)
    },
    uninstall: () => clock.restore(),
    tick: (ms) => clock.tickAsync(ms),
    isReadable: true,
  }
}
const all = []
const register = (name, run) => all.push([name, run])
scenarios.register(register, library, timers(), 'by default: ')
scenarios.register(register, library, timers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }), 'not performance: ')
for (const [name, run] of all) {
  await run()
  console.log(`ok: ${name}`)
}

/**
 * Fault injection, as SQLite does it: every function of the user, at some call of a schedule, throws, answers nonsense, or
 * calls the executor. After each the laws hold, nothing is left, and a request that comes later runs.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { callOuts, trusted } from '../simulation/support/call-outs.ts'
import { membersOfInterface, publicFunctions } from './public-functions.ts'
import { schedules } from './schedules.ts'
import { callsOf, faultsOf, playFault } from './support.ts'

/** On a machine that has much else to do. */
const PATIENCE_MS = 600_000

// What is not reported otherwise is a warning, and there are many.
beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
afterEach(() => void vi.restoreAllMocks())

test.each(schedules)(
  'whatever user code does, at whichever call, the laws hold: $name',
  async (schedule) => {
    const faults = await faultsOf(schedule, false)
    expect(faults.length).toBeGreaterThan(200)
    for (const fault of faults) {
      const what = await playFault(schedule, fault)
      if (what === '') continue
      const trace: string[] = []
      await playFault(schedule, fault, trace)
      throw new Error(`${JSON.stringify(fault)}: ${what}\n${trace.join('\n')}`)
    }
  },
  PATIENCE_MS,
)

/** What is called by the user, or made of another function of the list; or is a type alone, and never there. */
const ours = [
  ...['Describable.getStatus', 'Description.toString', 'HistogramReading.countsAtMost', 'HistogramReading.quantile'],
  ...['LetterSource.off', 'LetterSource.on', 'LetterSource.submit', 'Reads.[readsMetadata]', 'Reads.[readsRequest]'],
  ...['QueuedRequest.cancel', 'QueuedRequest.position', 'QueuedRequest.setPriority', 'batched.fn'],
  ...['RunContext.close', 'RunContext.holdUntil', 'RunContext.progress', 'WaitingRequest.position'],
]

/** Asked by whoever looks, and for a store, and never in a step of the engine: `core/watch/request-view.test.ts` has its faults. */
const lookedAt = ['Policy.key']

test(
  'every function that the public types ask of a user is in the list of call-outs, and every option of a request',
  () => {
    const known = [...Object.keys(callOuts), ...trusted, ...ours, ...lookedAt]
    // What a user calls: interfaces that the package implements.
    const isOurs = /^(HandleLike|QueuedExecutorLike|MemoryStore|BoxSource|DeadLetterBox)\./
    const asked = publicFunctions().filter((name) => !isOurs.test(name))
    expect(asked.filter((name) => !known.includes(name))).toEqual([])
    expect(trusted.filter((name) => !publicFunctions().includes(name))).toEqual([])
    const options = membersOfInterface('RequestOptions').map((name) => `RequestOptions.${name}`)
    expect(options.filter((name) => callOuts[name] === undefined)).toEqual([])
  },
  PATIENCE_MS,
)

test('the schedules come to every call-out that there is', async () => {
  const called = new Set<string>()
  for (const schedule of schedules) for (const name of (await callsOf(schedule)).keys()) called.add(name)
  // In these, no run waits for its own queue; that event is told as all others are.
  const expected = Object.keys(callOuts).filter((name) => name !== 'on selfWaiting')
  expect([...called].sort()).toEqual(expected.sort())
})

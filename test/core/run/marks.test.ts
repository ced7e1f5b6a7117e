import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { hasNoContext, Marks } from '../../../src/core/run/inside.ts'

const owner = {
  cancel: () => false,
  setPriority: () => false,
  position: () => undefined,
  waitUntil: () => Number.POSITIVE_INFINITY,
  dueAt: () => Number.POSITIVE_INFINITY,
  named: () => {},
}
const record = () => new RequestRecord('x', 0, { at: 0, owner })
const context = new AsyncLocalStorage<string>()
describe('a submitter', () => {
  test('who uses a storage has a context', () => {
    expect(context.run('his own', () => hasNoContext(record()))).toBe(false)
  })

  test.runIf(Number.parseInt(process.versions.node, 10) >= 24)('who uses none has none', () => {
    expect(hasNoContext(record())).toBe(true)
  })
})

describe('the mark of a slot', () => {
  test('is there in the run, on top of the submitter’s own context, and gone after it', () => {
    const marks = new Marks<{ slot: number }>()
    const slot = { slot: 1 }
    const seen: unknown[] = []
    const submitted = context.run('submitter', record)
    const answer = context.run('pool', () =>
      marks.run(
        submitted,
        (...args) => {
          seen.push(args, marks.current, context.getStore())
          return 'answer'
        },
        slot,
        'second',
      ),
    )
    expect(answer).toBe('answer')
    expect(seen).toEqual([[slot, 'second'], slot, 'submitter'])
    expect(seen[1]).toBe(slot)
    expect(marks.current).toBeUndefined()
  })

  test('can be kept to be entered by many runs', () => {
    const marks = new Marks<{ slot: number }>()
    const slot = { slot: 1 }
    const mark = context.run('pool', () => marks.bare(slot, context.run('submitter', record)))
    expect(mark.runInAsyncScope(() => [marks.current, context.getStore()])).toEqual([slot, 'submitter'])
    expect(marks.current).toBeUndefined()
  })
})

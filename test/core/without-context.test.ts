/**
 * What is made without a context enters none, and what it does not know it leaves alone.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { withoutContext } from '../../src/core/without-context.ts'

const [one, other] = [new AsyncLocalStorage<string>(), new AsyncLocalStorage<string>()]
const both = (): unknown[] => [one.getStore(), other.getStore()]
const within = <T>(make: () => T): T => one.run('one', () => other.run('other', make))

test('a resource enters an empty context, and the code around it has its own again', () => {
  const [home, usual] = within(() => [withoutContext(new AsyncResource('Home')), new AsyncResource('Usual')])
  within(() => {
    expect(home.runInAsyncScope(both)).toEqual([undefined, undefined])
    expect(both()).toEqual(['one', 'other'])
  })
  expect(usual.runInAsyncScope(both)).toEqual(['one', 'other'])
})

test('whatever is made in there has none either', async () => {
  const home = within(() => withoutContext(new AsyncResource('Home')))
  const seen = within(() => home.runInAsyncScope(() => Promise.resolve().then(both)))
  expect(await seen).toEqual([undefined, undefined])
})

test('what is no part of a context is left as it is', () => {
  const key = Symbol('its own')
  const promise = Object.assign(Promise.resolve(1), { [key]: 'kept', [Symbol()]: 'kept' })
  expect(withoutContext(promise)).toBe(promise)
  expect(promise[key]).toBe('kept')
  expect(Object.getOwnPropertySymbols(promise).map((each) => promise[each as never])).toContain('kept')
})

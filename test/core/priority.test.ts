import { isPriority, priorities } from 'triage-queue'
import { expect, test } from 'vitest'

test('isPriority() says yes to the four words, and to nothing else', () => {
  expect(priorities.map(isPriority)).toEqual([true, true, true, true])
  const others = ['', 'URGENT', 'High', 'constructor', '__proto__', 0, 2, null, undefined, ['high'], new String('low')]
  expect(others.filter(isPriority)).toEqual([])
})

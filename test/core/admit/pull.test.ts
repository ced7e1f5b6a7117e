/**
 * Pulling, with the target in the hand of the test: when it reads the source, what it holds, and how it ends.
 */
import { describe, expect, test } from 'vitest'
import { type PullTarget, pull, requirePullOptions } from '../../../src/core/admit/pull.ts'
import type { Source } from '../../../src/core/admit/source.ts'

/** A target whose runs end when the test says so. */
function made({ window = 2, ordered = true, room = true } = {}) {
  const runs = new Map<string, { resolve(value: string): void; reject(error: unknown): void; signal: AbortSignal }>()
  let open: () => void = () => {}
  let listening = 0
  let ready = room ? Promise.resolve() : new Promise<void>((resolve) => (open = resolve))
  const target: PullTarget<string, string> = {
    window: () => window,
    room: () => ready,
    asksFirst: false,
    ready: () => Promise.resolve(),
    run: (request, _, signal, { resolve, reject }) => void runs.set(request, { resolve, reject, signal }),
    hears: () => {
      listening++
      return () => void listening--
    },
  }
  return {
    runs,
    pull: (source: Source<string>, outer?: AbortSignal) => pull(source, target, ordered, outer),
    listening: () => listening,
    giveRoom: () => open(),
    takeRoom: () => {
      ready = new Promise((resolve) => {
        open = resolve
      })
    },
    end: (request: string) => runs.get(request)?.resolve(`${request} answered`),
  }
}

/** A source that tells what was asked of it. */
function spied(...requests: string[]) {
  const asked: string[] = []
  const iterator = {
    next: () => {
      const value = requests.shift()
      asked.push(value ?? 'end')
      return value === undefined ? { done: true as const, value: undefined } : { done: false as const, value }
    },
    return: () => {
      asked.push('return')
      return { done: true as const, value: undefined }
    },
  }
  return { asked, source: { [Symbol.iterator]: () => iterator } }
}

const turns = async () => {
  await new Promise(setImmediate)
}

describe('the source', () => {
  test('is read only as far as the window and the room reach', async () => {
    const { pull, runs, end, giveRoom, takeRoom } = made({ room: false })
    const { asked, source } = spied('a', 'b', 'c', 'd')
    const results = pull(source)
    const first = results.next()
    await turns()
    expect(asked).toEqual([])
    giveRoom()
    await turns()
    expect(asked).toEqual(['a', 'b'])
    end('a')
    expect(await first).toEqual({ done: false, value: 'a answered' })
    await turns()
    expect(asked).toEqual(['a', 'b', 'c'])
    takeRoom()
    end('b')
    await results.next()
    await turns()
    expect(asked).toEqual(['a', 'b', 'c'])
    giveRoom()
    await turns()
    expect(asked).toEqual(['a', 'b', 'c', 'd'])
    expect([...runs.keys()]).toEqual(['a', 'b', 'c', 'd'])
    expect([...runs.values()].some(({ signal }) => signal.aborted)).toBe(false)
    for (const request of ['c', 'd']) end(request)
    expect([await results.next(), await results.next(), await results.next()]).toEqual([
      { done: false, value: 'c answered' },
      { done: false, value: 'd answered' },
      { done: true, value: undefined },
    ])
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'end'])
  })

  test('may be empty', async () => {
    expect(await made().pull([]).next()).toEqual({ done: true, value: undefined })
  })

  test('may be asynchronous', async () => {
    const { pull, end } = made({ window: 5 })
    async function* source() {
      yield 'a'
      await turns()
      yield 'b'
    }
    const results = pull(source())
    const first = results.next()
    await turns()
    end('a')
    expect(await first).toMatchObject({ value: 'a answered' })
    const second = results.next()
    await turns()
    end('b')
    expect(await second).toMatchObject({ value: 'b answered' })
    expect(await results.next()).toMatchObject({ done: true })
  })

  test('that breaks ends the results after those that are on their way, and is not closed', async () => {
    const { pull, end } = made({ window: 5 })
    const broken = new Error('broken')
    const asked: string[] = []
    const source = {
      [Symbol.iterator]: () => ({
        next: () => {
          asked.push('next')
          if (asked.length > 1) throw broken
          return { done: false as const, value: 'a' }
        },
        return: () => {
          asked.push('return')
          return { done: true as const, value: undefined }
        },
      }),
    }
    const results = pull(source)
    const first = results.next()
    await turns()
    end('a')
    expect(await first).toMatchObject({ value: 'a answered' })
    await expect(results.next()).rejects.toBe(broken)
    expect(asked).toEqual(['next', 'next'])
  })
})

describe('results', () => {
  test('come in the order of the input, or as they come', async () => {
    for (const [ordered, expected] of [
      [true, ['a answered', 'b answered']],
      [false, ['b answered', 'a answered']],
    ] as const) {
      const { pull, end } = made({ ordered })
      const results = pull(['a', 'b'])
      const both = [results.next(), results.next()]
      await turns()
      end('b')
      await turns()
      end('a')
      expect((await Promise.all(both)).map(({ value }) => value)).toEqual(expected)
    }
  })

  test('that nobody has fetched count as on their way', async () => {
    const { pull, end } = made({ ordered: false, window: 2 })
    const { asked, source } = spied('a', 'b', 'c')
    const results = pull(source)
    const first = results.next()
    await turns()
    for (const request of ['a', 'b']) end(request)
    await first
    await turns()
    expect(asked).toEqual(['a', 'b', 'c'])
    await turns()
    expect(asked).toEqual(['a', 'b', 'c'])
  })
})

describe('it ends', () => {
  test('with the first error: what is on its way is aborted, and the source closed', async () => {
    const { pull, runs } = made()
    const { asked, source } = spied('a', 'b', 'c')
    const results = pull(source)
    const first = results.next()
    await turns()
    runs.get('a')?.reject(new Error('a failed'))
    await expect(first).rejects.toThrow('a failed')
    expect(runs.get('b')?.signal.aborted).toBe(true)
    expect(runs.get('b')?.signal.reason).toMatchObject({ name: 'AbortError', message: 'The iteration has ended' })
    // That nobody asks for its error any more is no unhandled rejection.
    runs.get('b')?.reject(new Error('b failed'))
    await turns()
    expect(asked).toEqual(['a', 'b', 'return'])
    expect(await results.next()).toEqual({ done: true, value: undefined })
  })

  test('when its consumer leaves, also while it waits for room or for the source', async () => {
    const waiting = made({ room: false, window: 1 })
    const { asked, source } = spied('a', 'b', 'c')
    const results = waiting.pull(source)
    const first = results.next()
    await turns()
    const left = results.return()
    waiting.giveRoom()
    await turns()
    waiting.end('a')
    await Promise.all([first, left])
    await turns()
    expect(asked.at(-1)).toBe('return')
    expect([...waiting.runs.values()].every(({ signal }) => signal.aborted)).toBe(true)

    const { pull, runs } = made()
    let answer: (next: IteratorResult<string>) => void = () => {}
    let closed = 0
    const slow: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          runs.size === 0
            ? Promise.resolve({ done: false, value: 'a' })
            : new Promise((resolve) => {
                answer = resolve
              }),
        return: () => {
          closed++
          return Promise.reject(new Error('it does not like to be closed'))
        },
      }),
    }
    const slowly = pull(slow)
    const one = slowly.next()
    await turns()
    runs.get('a')?.resolve('a answered')
    await one
    await slowly.return()
    expect(closed).toBe(1)
    answer({ done: false, value: 'too late' })
    await turns()
    expect([...runs.keys()]).toEqual(['a'])
  })

  test('at once with an abort, though nothing that is on its way ends', async () => {
    const { pull, listening } = made({ window: 3 })
    const control = new AbortController()
    const results = pull(['a', 'b'], control.signal)
    const first = results.next().catch((reason) => reason)
    await turns()
    expect(listening()).toBe(1)
    control.abort('enough')
    expect(await first).toBe('enough')
    expect(listening()).toBe(0)
  })

  test('and does not listen for the close of the executor any more', async () => {
    const { pull, listening, end } = made()
    const all = [pull(['a']), pull(['b'])]
    const firsts = all.map((results) => results.next())
    await turns()
    expect(listening()).toBe(2)
    for (const request of ['a', 'b']) end(request)
    await Promise.all(firsts)
    await all[0]?.next()
    await all[1]?.return()
    expect(listening()).toBe(0)
  })

  test('without closing a source that can not be closed', async () => {
    const { pull, runs } = made({ window: 1 })
    const source = { [Symbol.iterator]: () => ({ next: () => ({ done: false as const, value: 'a' }) }) }
    const results = pull(source)
    const first = results.next()
    await turns()
    runs.get('a')?.resolve('x')
    await first
    expect(await results.return()).toEqual({ done: true, value: undefined })
  })
})

test.each<[unknown, unknown, string | undefined]>([
  [true, undefined, undefined],
  [false, 1, undefined],
  [1, 1, "Option 'ordered': expected a boolean, got 1"],
  [true, 0, "Option 'window': expected an integer of at least 1, got 0"],
  [true, 1.5, "Option 'window': expected an integer of at least 1, got 1.5"],
])('ordered %j and window %j are refused if they are none', (ordered, window, message) => {
  const check = () => requirePullOptions(ordered, window)
  if (message === undefined) expect(check).not.toThrow()
  else expect(check).toThrow(message)
})

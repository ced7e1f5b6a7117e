/**
 * What is covered, as tests: a few trees of interleavings for each way to deal with a full queue.
 *
 * `EXHAUSTIVE=large vitest run test/exhaustive` covers more: six commands from busy slots, with two places in the queue and
 * with substitutes for stuck slots. It takes some minutes.
 */
import { afterAll, expect, test } from 'vitest'
import { type Command, commands } from './commands.ts'
import type { Tree } from './interleavings.ts'
import { playAll } from './play.ts'
import type { WhenFull } from './setting.ts'

const PATIENCE_MS = 1_200_000
const isLarge = process.env.EXHAUSTIVE === 'large'

const most: readonly Command[] = ['urgent', 'low', 'answer', 'cancel', 'abort', 'time', 'pause', 'close']
/** All but the requests that take both slots. */
const narrow = commands.filter((command) => command !== 'wide')
/** Both slots run something. */
const busy: readonly Command[] = ['low', 'urgent']

interface Counts {
  readonly idle: number
  readonly busy: number
  readonly stuck: number
  readonly wide: number
  readonly both: number
  readonly large: readonly number[]
}

/**
 * The tests of one mode, and how many interleavings each must cover: more or fewer are a change to be looked at. Those in
 * which nobody finds the queue full are the same in all modes, and covered where callers block.
 */
export function covers(whenFull: WhenFull, counts: Counts): void {
  const onlyFull = whenFull !== 'block'
  const setting = { whenFull, maxQueueSize: 1, maxBlocked: 2, onStuck: 'hold' } as const
  let covered = 0
  const cover = (promise: string, tree: Tree, count: number): void =>
    test(
      promise,
      async () => {
        const all = await playAll(tree)
        covered += all
        expect(all).toBe(count)
      },
      PATIENCE_MS,
    )
  cover(
    'six commands from an idle executor',
    {
      setting,
      alphabet: most,
      start: [],
      depth: 6,
      onlyFull,
      isWatched: false,
    },
    counts.idle,
  )
  cover(
    'five commands while both slots run, with listeners',
    {
      setting,
      alphabet: most,
      start: busy,
      depth: 5,
      onlyFull,
      isWatched: true,
    },
    counts.busy,
  )
  cover(
    'four of nearly all the commands while both slots run, with substitutes for those that are stuck',
    {
      setting: { ...setting, maxBlocked: 1, onStuck: 'replace' },
      alphabet: narrow,
      start: busy,
      depth: 4,
      onlyFull: false,
      isWatched: true,
    },
    counts.stuck,
  )
  cover(
    'four of all the commands while both slots run, of which a request may take both',
    {
      setting: { ...setting, maxQueueSize: 2 },
      alphabet: commands,
      start: busy,
      depth: 4,
      onlyFull: false,
      isWatched: true,
    },
    counts.wide,
  )
  cover(
    'four of all the commands while one runs that has taken both slots',
    {
      setting: { ...setting, maxQueueSize: 2 },
      alphabet: commands,
      start: ['wide'],
      depth: 4,
      onlyFull: false,
      isWatched: true,
    },
    counts.both,
  )
  if (isLarge) {
    for (const onStuck of ['hold', 'replace'] as const) {
      for (const maxQueueSize of [1, 2]) {
        cover(
          `six of nearly all the commands while both slots run: ${maxQueueSize} may wait, '${onStuck}'`,
          {
            setting: { ...setting, onStuck, maxQueueSize },
            alphabet: narrow,
            start: busy,
            depth: 6,
            onlyFull: true,
            isWatched: maxQueueSize === 2,
          },
          counts.large[(onStuck === 'hold' ? 0 : 2) + maxQueueSize - 1] as number,
        )
      }
    }
  }
  afterAll(() => {
    const number = covered.toLocaleString('en')
    console.log(`exhaustive, ${whenFull}: ${number} interleavings of up to 6 commands over 2 slots`)
  })
}

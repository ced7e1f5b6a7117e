/** Most of this file is checked by tsc: that it compiles is the test. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type * as p10 from 'p-queue'
import PQueue10 from 'p-queue'
import type * as p9 from 'p-queue-9'
import PQueue9 from 'p-queue-9'
import { expect, expectTypeOf, test } from 'vitest'
import { type EnqueueOptions, type RunFunction, TieredQueue } from '../../src/p-queue/index.ts'

test('the class is a queueClass for p-queue 9 and 10', async () => {
  const queue9 = new PQueue9({ concurrency: 2, queueClass: TieredQueue })
  const queue10 = new PQueue10({ concurrency: 2, queueClass: TieredQueue })
  expectTypeOf(queue9).toEqualTypeOf<PQueue9<TieredQueue, p9.QueueAddOptions>>()
  expectTypeOf(queue10).toEqualTypeOf<PQueue10<TieredQueue, p10.QueueAddOptions>>()
  const { signal } = new AbortController()
  // The options of add() stay p-queue's.
  expect(await queue9.add(() => 9, { priority: 1, id: 'a', signal, timeout: 1_000 })).toBe(9)
  expect(await queue10.add(() => 10, { priority: 1, id: 'a', signal, timeout: 1_000 })).toBe(10)
})

test('the small interfaces fit those of p-queue', () => {
  expectTypeOf<TieredQueue>().toExtend<p9.Queue<RunFunction, p9.QueueAddOptions>>()
  expectTypeOf<TieredQueue>().toExtend<p10.Queue<p10.RunFunction, p10.QueueAddOptions>>()
  expectTypeOf<RunFunction>().toEqualTypeOf<p10.RunFunction>()
  expectTypeOf<p9.QueueAddOptions>().toExtend<EnqueueOptions>()
  expectTypeOf<p10.QueueAddOptions>().toExtend<EnqueueOptions>()
  // For whoever uses the class where p-queue's own stood.
  expectTypeOf<TieredQueue>().toExtend<Pick<p9.PriorityQueue, keyof p9.PriorityQueue>>()
  expectTypeOf<TieredQueue>().toExtend<Pick<p10.PriorityQueue, keyof p10.PriorityQueue>>()
})

test('neither the class nor its types import p-queue, which is ESM only', () => {
  const folder = fileURLToPath(new URL('../../src/p-queue/', import.meta.url))
  const imports = readdirSync(folder)
    .map((file) => readFileSync(`${folder}${file}`, 'utf8'))
    .flatMap((source) => [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]))
  expect(imports.sort()).toEqual(['../core/queue/tier.ts', './tiered-queue.ts'])
})

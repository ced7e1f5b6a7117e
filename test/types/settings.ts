/** `settings` has each option by its name and in its words, and can't be written. */
import { type EffectiveOptions, type Priority, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { holds, type Same } from './support.ts'

const { settings } = new QueuedExecutor(async (n: number) => n)
holds<Same<typeof settings, EffectiveOptions<number, number>>>()
holds<Same<keyof EffectiveOptions, keyof QueuedExecutorOptions>>()
holds<Same<typeof settings.concurrency, number>>()
holds<Same<typeof settings.timeoutMs.low, number>>()
holds<Same<typeof settings.whenFull, 'reject' | 'block' | 'shed'>>()
holds<Same<keyof typeof settings.maxQueueSize, Priority | 'total'>>()
// @ts-expect-error: it is read only.
settings.concurrency = 1
// @ts-expect-error: it is read only.
settings.timeoutMs.low = 1

// It is made of options, so it makes another one.
new QueuedExecutor(async (n: number) => n, settings)

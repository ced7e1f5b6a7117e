/**
 * Settings of a thread, for tests.
 */
import type { Settings } from '../../../src/sqlite/settings.ts'

/** Small pages, so that a small store has several; and no sync, where no power is cut. */
export function settingsFor(path: string, more: Partial<Settings> = {}): Settings {
  const keep = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
  return {
    ...{ path, codec: 'json', synchronous: 'off', checkUpToBytes: 1e9, pageBytes: 512, shard: null },
    ...{ keep: { completed: keep, dead: keep, metrics: keep } },
    ...more,
  }
}

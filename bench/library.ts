/**
 * Which build is measured? The sources, as Node strips their types; with `--dist` the built package; for `against.ts` those of
 * another checkout.
 */
import { join } from 'node:path'
import type * as Library from '../src/index.ts'
import type { ExecutorEvent } from '../src/index.ts'

export const fromDist = process.env.BENCH_DIST === '1'

const root = process.env.BENCH_CHECKOUT ?? join(import.meta.dirname, '..')

export const library: typeof Library = await import(join(root, fromDist ? 'dist/index.js' : 'src/index.ts'))

/** All that is told about a request without blocking, joining or retries. */
export const requestEvents: readonly ExecutorEvent[] = [
  'queued',
  'rejected',
  'started',
  'completed',
  'failed',
  'expired',
  'cancelled',
  'shed',
]

/**
 * Which build is measured? The sources, as Node strips their types; with `--dist` the built package.
 */
import type * as Library from '../src/index.ts'

export const fromDist = process.env.BENCH_DIST === '1'

export const library: typeof Library = await import(fromDist ? '../dist/index.js' : '../src/index.ts')

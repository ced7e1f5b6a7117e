/**
 * `npm run test:redis`: what needs a redis-server. Each file has one of its own.
 */
import { configDefaults, defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

// biome-ignore lint/style/noDefaultExport: Vitest wants it so.
export default defineConfig({
  ...(base.resolve && { resolve: base.resolve }),
  test: {
    include: ['test/redis/*.test.ts'],
    exclude: configDefaults.exclude,
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
})

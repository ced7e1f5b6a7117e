/**
 * `npm run test:browser`: the dashboard in a real browser, which needs chromium (Debian's package of that name).
 */
import { configDefaults, defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

// biome-ignore lint/style/noDefaultExport: Vitest wants it so.
export default defineConfig({
  ...(base.resolve && { resolve: base.resolve }),
  test: {
    include: ['test/browser/*.test.ts'],
    exclude: configDefaults.exclude,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One browser after the other, where there are two cores.
    fileParallelism: false,
  },
})

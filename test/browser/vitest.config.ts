/**
 * `npm run test:browser`: the dashboard in a real browser, which needs chromium (Debian's package of that name).
 */
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('../../src', import.meta.url))

// biome-ignore lint/style/noDefaultExport: Vitest wants it so.
export default defineConfig({
  resolve: {
    alias: [
      { find: /^triage-queue$/, replacement: `${src}/index.ts` },
      { find: /^triage-queue\/([^/]+)$/, replacement: `${src}/$1/index.ts` },
    ],
  },
  test: {
    include: ['test/browser/*.test.ts'],
    exclude: configDefaults.exclude,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One browser after the other, where there are two cores.
    fileParallelism: false,
  },
})

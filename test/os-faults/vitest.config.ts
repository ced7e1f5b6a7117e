/**
 * `npm run test:faults`: what needs a C compiler, and root for a file system of its own.
 */
import { configDefaults, defineConfig } from 'vitest/config'

// biome-ignore lint/style/noDefaultExport: Vitest wants it so.
export default defineConfig({
  test: { include: ['test/os-faults/*.test.ts'], exclude: configDefaults.exclude, testTimeout: 3_600_000 },
})

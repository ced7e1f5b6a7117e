import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('src', import.meta.url))
const resultsFile = process.env.TEST_RESULTS

export default defineConfig({
  resolve: {
    // The package's own name means its sources, so that a clone without dist passes.
    alias: [
      { find: /^triage-queue$/, replacement: `${src}/index.ts` },
      { find: /^triage-queue\/([^/]+)$/, replacement: `${src}/$1/index.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // They need a compiler, and root: `npm run test:faults`; a redis-server: `npm run test:redis`; a browser: `npm run test:browser`.
    exclude: [...configDefaults.exclude, 'test/os-faults/**', 'test/redis/**', 'test/browser/**'],
    reporters: resultsFile ? ['default', ['json', { outputFile: resultsFile }]] : ['default'],
    coverage: {
      provider: 'v8',
      include: ['src/core/**/*.ts'],
      reporter: [['text', { skipFull: true }], 'html'],
      thresholds: { 'src/core/**/*.ts': { lines: 100, branches: 100, functions: 100, statements: 100 } },
    },
  },
})

import { build } from 'esbuild'
      // prom-client is CommonJS: what it requires of Node needs a `require`.
      const js = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
      await build({ entryPoints: ['bundled.js'], bundle: true, platform: 'node', format: 'esm', outfile: "/tmp/triage-queue-bundles-RVM9q2/esbuild/bundle.mjs", tsconfigRaw: {}, banner: { js } })
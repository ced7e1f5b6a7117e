import { build } from 'esbuild'
      const logOverride = { 'empty-import-meta': 'silent' }
      await build({ entryPoints: ['bundled.js'], bundle: true, platform: 'node', format: 'cjs', outfile: "/tmp/triage-queue-bundles-RVM9q2/esbuild/bundle.cjs", tsconfigRaw: {}, logOverride })
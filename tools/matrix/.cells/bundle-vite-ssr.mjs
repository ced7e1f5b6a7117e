import { dirname } from 'node:path'
      import { build } from 'vite'
      await build({
        configFile: false, logLevel: 'warn', ssr: { noExternal: true },
        build: { ssr: 'bundled.js', outDir: dirname("/tmp/triage-queue-bundles-RVM9q2/vite/bundle.mjs"), emptyOutDir: true,
          rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } },
      })
import { rollup } from 'rollup'
    import commonjs from '@rollup/plugin-commonjs'
    import json from '@rollup/plugin-json'
    import resolve from '@rollup/plugin-node-resolve'
    const plugins = [resolve({ preferBuiltins: true }), commonjs(), json()]
    const bundle = await rollup({ input: 'bundled.js', plugins, external: /^node:/ })
    await bundle.write({ file: "/tmp/triage-queue-bundles-RVM9q2/rollup/bundle.mjs", format: 'es', inlineDynamicImports: true })
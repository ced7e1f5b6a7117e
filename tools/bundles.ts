/**
 * Does it work in a bundle, where no package can be looked up by its name? Each bundler makes one of `tools/matrix/bundled.js` with
 * all that it needs, prom-client and @opentelemetry/api included, which then runs in an empty folder.
 *
 * Needs `npm run build` first.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cell, folder, install, modules, tryAll } from './runners.ts'

const scratch = mkdtempSync(join(tmpdir(), 'triage-queue-bundles-'))
/** Outside of this repository: some bundlers follow its tsconfig.json, by which the package's name means its sources. */
const project = join(scratch, 'project')
const empty = join(scratch, 'empty')

/** A program in the project, whose bundlers it imports: `out` is where the bundle goes. */
const bundlers: { readonly [name: string]: { readonly out: string; readonly make: (out: string) => string } } = {
  'esbuild, ESM': {
    out: 'esbuild/bundle.mjs',
    make: (out) => `import { build } from 'esbuild'
      // prom-client is CommonJS: what it requires of Node needs a \`require\`.
      const js = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
      await build({ entryPoints: ['bundled.js'], bundle: true, platform: 'node', format: 'esm', outfile: ${out}, banner: { js } })`,
  },
  'esbuild, CJS': {
    out: 'esbuild/bundle.cjs',
    make: (out) => `import { build } from 'esbuild'
      const logOverride = { 'empty-import-meta': 'silent' }
      await build({ entryPoints: ['bundled.js'], bundle: true, platform: 'node', format: 'cjs', outfile: ${out}, logOverride })`,
  },
  'rollup, ESM': { out: 'rollup/bundle.mjs', make: (out) => rollup(out, 'es') },
  'rollup, CJS': { out: 'rollup/bundle.cjs', make: (out) => rollup(out, 'cjs') },
  webpack: { out: 'webpack/bundle.cjs', make: (out) => webpack(out, `import pack from 'webpack'`) },
  rspack: { out: 'rspack/bundle.cjs', make: (out) => webpack(out, `import { rspack as pack } from '@rspack/core'`) },
  'vite, ssr': {
    out: 'vite/bundle.mjs',
    make: (out) => `import { dirname } from 'node:path'
      import { build } from 'vite'
      await build({
        configFile: false, logLevel: 'warn', ssr: { noExternal: true },
        build: { ssr: 'bundled.js', outDir: dirname(${out}), emptyOutDir: true,
          rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } },
      })`,
  },
}

function rollup(out: string, format: string): string {
  return `import { rollup } from 'rollup'
    import commonjs from '@rollup/plugin-commonjs'
    import json from '@rollup/plugin-json'
    import resolve from '@rollup/plugin-node-resolve'
    const plugins = [resolve({ preferBuiltins: true }), commonjs(), json()]
    const bundle = await rollup({ input: 'bundled.js', plugins, external: /^node:/ })
    await bundle.write({ file: ${out}, format: '${format}', inlineDynamicImports: true })`
}

function webpack(out: string, load: string): string {
  return `${load}
    import { basename, dirname } from 'node:path'
    const entry = './bundled.js'
    const output = { path: dirname(${out}), filename: basename(${out}) }
    await new Promise((resolve, reject) => {
      pack({ mode: 'production', target: 'node', entry, output }, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()))
        else resolve()
      })
    })`
}

try {
  install()
  mkdirSync(project)
  symlinkSync(modules, join(project, 'node_modules'))
  cpSync(join(folder, 'bundled.js'), join(project, 'bundled.js'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const all = Object.entries(bundlers).flatMap(([name, { out, make }]): Cell[] => {
    const path = join(empty, out)
    mkdirSync(join(path, '..'), { recursive: true })
    const program = join(project, `${name.replaceAll(/\W+/g, '-')}.mjs`)
    writeFileSync(program, make(JSON.stringify(path)))
    return [
      { name: `${name} makes it`, args: [program], cwd: project },
      { name: `${name} runs`, args: [path], cwd: empty },
    ]
  })
  tryAll(all)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

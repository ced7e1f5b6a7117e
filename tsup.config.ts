import { defineConfig, type Options } from 'tsup'

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

/** In the place of `worker-source.ts`: the text of the thread, with all that it imports. */
const workerAsText: Plugin = {
  name: 'worker-as-text',
  setup({ esbuild, onLoad }) {
    onLoad({ filter: /[\\/]sqlite[\\/]worker-source\.ts$/ }, async () => {
      const { outputFiles } = await esbuild.build({
        entryPoints: ['src/sqlite/worker-main.ts'],
        ...{ bundle: true, write: false, minify: true, keepNames: true },
        ...{ format: 'cjs', platform: 'node', target: 'node22' },
      })
      return { contents: `export const workerSource = ${JSON.stringify(outputFiles[0]?.text)}`, loader: 'js' }
    })
  },
}

export default defineConfig({
  // src/index.ts, and one entry for each folder beside core: the folder's name is the subpath's.
  entry: ['src/index.ts', 'src/*/index.ts'],
  format: ['esm', 'cjs'],
  // For `await using`: so the declarations compile whatever `lib` a consumer has, and without @types/node, which says the same.
  dts: { banner: '/// <reference lib="esnext.disposable" />' },
  target: 'node22',
  platform: 'node',
  // For CJS too: a class that two entries use must be one class.
  splitting: true,
  // `true` writes the source map comment twice; esbuild has already shaken the tree.
  treeshake: false,
  // The default rewrites `node:sqlite` to `sqlite`, which does not exist.
  removeNodeProtocol: false,
  // `import.meta.url` in CJS: optional peers are looked up from where this package is.
  shims: true,
  // The same values, which a minifier makes `1/0` and `NaN` of.
  define: { 'Number.POSITIVE_INFINITY': 'Infinity', 'Number.NaN': 'NaN' },
  esbuildPlugins: [workerAsText],
  sourcemap: true,
  clean: true,
})

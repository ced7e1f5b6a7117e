import { globSync } from 'node:fs'
import { isBuiltin as isBuiltinModule } from 'node:module'
import { build, defineConfig, type Options } from 'tsup'
import { bundlePage } from './tools/bundle-page.ts'

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

/** In the place of `page-source.ts`: the script and the style sheet of the page. */
const pageAsText: Plugin = {
  name: 'page-as-text',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]http[\\/]page-source\.ts$/ }, async () => {
      const files = JSON.stringify(await bundlePage(process.cwd()))
      return { contents: `export const pageFiles = async () => (${files})`, loader: 'js' }
    })
  },
}

/** What `ws`, which is CommonJS, requires of Node: an ES module has no `require`. */
const builtinsOfWs: Plugin = {
  name: 'builtins-of-ws',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?[a-z_]+$/ }, ({ path, kind, importer }) => {
      const isBuiltin =
        kind === 'require-call' && isBuiltinModule(path) && /[\\/]node_modules[\\/]ws[\\/]/.test(importer)
      return isBuiltin ? { path, namespace: 'builtin' } : undefined
    })
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/**
 * What the threads of `triage-queue/threads` run: files of their own, beside the entry of their folder. Each with all that it imports:
 * the entries would lie in more and smaller pieces if they shared some with these. And `import()` stays what it is in CommonJS.
 */
async function buildWorkers(): Promise<void> {
  await build({
    config: false,
    entry: {
      'threads/shard-worker': 'src/threads/shard-worker.ts',
      'threads/task-worker': 'src/threads/task-worker.ts',
    },
    ...{ format: ['esm', 'cjs'], target: 'node22', platform: 'node', splitting: false, silent: true },
    ...{ treeshake: false, removeNodeProtocol: false, sourcemap: true, clean: false, dts: false },
  })
}

/** The program uses the package as whoever has it does: what it imports of an entry is that entry, as it was built. */
const entriesAsBuilt: Plugin = {
  name: 'entries-as-built',
  setup({ onResolve }) {
    onResolve({ filter: /^(\.\.\/)+([a-z-]+\/)?index\.ts$/ }, ({ path }) => {
      const entry = path.replace(/^(\.\.\/)+/, '').replace(/\.ts$/, '.js')
      return { path: `../${entry}`, external: true }
    })
  },
}

const shared: Options = {
  target: 'node22',
  platform: 'node',
  // The default rewrites `node:sqlite` to `sqlite`, which does not exist.
  removeNodeProtocol: false,
  sourcemap: true,
}

/** `bin: triage-queue`: one file, with commander in it; and what the thread of a shard loads. */
const program: Options = {
  ...shared,
  entry: { 'cli/main': 'src/cli/main.ts', 'cli/shard': 'src/cli/serve/shard.ts' },
  format: ['esm'],
  splitting: false,
  esbuildPlugins: [entriesAsBuilt],
}

const entries: Options = {
  ...shared,
  // src/index.ts, and one entry for each folder beside core: the folder's name is the subpath's.
  // By name and in order: a list is searched for on the disk, which answers in another order each time, and so would
  // the imports of what is built be.
  entry: Object.fromEntries(
    ['src/index.ts', ...globSync('src/*/index.ts').sort()].map((file) => [
      file.slice('src/'.length, -'.ts'.length),
      file,
    ]),
  ),
  format: ['esm', 'cjs'],
  // For `await using`: so the declarations compile whatever `lib` a consumer has, and without @types/node, which says the same.
  dts: { banner: '/// <reference lib="esnext.disposable" />' },
  // For CJS too: a class that two entries use must be one class.
  splitting: true,
  // `true` writes the source map comment twice; esbuild has already shaken the tree.
  treeshake: false,
  // `import.meta.url` in CJS: optional peers are looked up from where this package is.
  shims: true,
  // The same values, which a minifier makes `1/0` and `NaN` of.
  // And `ws` looks for none of its optional peers, nor at the environment for whether it shall.
  define: {
    'Number.POSITIVE_INFINITY': 'Infinity',
    'Number.NaN': 'NaN',
    'process.env.WS_NO_BUFFER_UTIL': '"1"',
    'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
  },
  esbuildPlugins: [workerAsText, pageAsText, builtinsOfWs],
  // The program is built at the same time.
  clean: ['!cli/**'],
  onSuccess: buildWorkers,
}

export default defineConfig([entries, program])

/**
 * Makes one script and one style sheet of `src/dashboard`: for the build, which puts them into `triage-queue/http` as text, and for
 * whoever runs the sources. `node tools/bundle-page.ts` says how large they are.
 */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** The page's script and its style sheet. */
export interface PageFiles {
  readonly js: string
  readonly css: string
}

const root = join(import.meta.dirname, '..')

/** @param folder the repository */
export async function bundlePage(folder = root): Promise<PageFiles> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['src/dashboard/main.tsx'],
    ...{ bundle: true, write: false, minify: true, outdir: 'page', legalComments: 'none' },
    ...{ format: 'esm', platform: 'browser', target: ['chrome111', 'firefox113', 'safari16.4'] },
    ...{ jsx: 'automatic', jsxImportSource: 'preact', charset: 'utf8' },
  })
  const textOf = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? ''
  return { js: textOf('.js'), css: textOf('.css') }
}

if (import.meta.main) {
  const { js, css } = await bundlePage()
  for (const [name, text] of Object.entries({ js, css })) {
    console.log(`${name}: ${Buffer.byteLength(text)} bytes, ${gzipSync(text, { level: 9 }).length} gzipped`)
  }
}

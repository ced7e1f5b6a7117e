/**
 * The script and the style sheet of the page: from the sources, made when they are first asked for, by esbuild, which only whoever
 * works on this has; in what is published, text.
 *
 * The build puts another file in the place of this one (see `tsup.config.ts`).
 */
export interface PageFiles {
  readonly js: string
  readonly css: string
}

export async function pageFiles(): Promise<PageFiles> {
  const tool = new URL('../../tools/bundle-page.ts', import.meta.url).href
  const { bundlePage } = (await import(/* @vite-ignore */ tool)) as { bundlePage(): Promise<PageFiles> }
  return bundlePage()
}

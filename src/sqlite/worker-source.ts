/**
 * What the thread runs: from the sources, a file; in what is published, the text of that file with all that it imports. A text
 * needs no file beside it, and so is still there when somebody makes one bundle of all their code, in whatever module system.
 *
 * The build puts another file in the place of this one (see `tsup.config.ts`).
 */
export const workerSource: URL | string = new URL('./worker-main.ts', import.meta.url)

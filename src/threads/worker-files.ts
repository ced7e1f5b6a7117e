/**
 * Where the files are that threads run. They lie in this folder, whatever of this package is where it is: the build may move what
 * several entries share one folder up.
 *
 * They are files, since piscina runs nothing else: who makes one bundle of all their code leaves `triage-queue` out of it.
 */
export function workerFile(name: 'task-worker' | 'shard-worker'): URL {
  const here = import.meta.url
  const extension = here.slice(here.lastIndexOf('.'))
  return new URL(`${/\/threads\/[^/]+$/.test(here) ? './' : './threads/'}${name}${extension}`, here)
}

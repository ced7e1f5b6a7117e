/**
 * Who is measured? Each is loaded only where it is needed: a measuring process has one.
 */
import type { DurableSubject } from '../subject.ts'

export const RAW = 'raw loop'
export const OURS = 'triage-queue'
export const BULLMQ = 'bullmq'

const loaders: { readonly [name: string]: () => Promise<{ subject: DurableSubject }> } = {
  [RAW]: () => import('./raw-loop.ts'),
  [OURS]: () => import('./triage-queue.ts'),
  [BULLMQ]: () => import('./bullmq.ts'),
  plainjob: () => import('./plainjob.ts'),
  'job-queue': () => import('./job-queue.ts'),
}

export const subjectNames: readonly string[] = Object.keys(loaders)

export async function loadSubject(name: string): Promise<DurableSubject> {
  const load = loaders[name]
  if (load === undefined) throw new Error(`there is no subject '${name}' (there are ${subjectNames.join(', ')})`)
  return (await load()).subject
}

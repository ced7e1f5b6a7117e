/**
 * Who is measured? In the order of the tables. Each is loaded only where it is needed: a measuring process has one.
 */
import type { Peer } from './peer.ts'

export const US = 'triage-queue'

const loaders: { readonly [name: string]: () => Promise<{ peer: Peer }> } = {
  'no queue': () => import('./no-queue.ts'),
  'bare loop': () => import('./bare-loop.ts'),
  [US]: () => import('./triage-queue.ts'),
  fastq: () => import('./fastq.ts'),
  'p-limit': () => import('./p-limit.ts'),
  'p-queue': () => import('./p-queue.ts'),
  async: () => import('./async.ts'),
  bottleneck: () => import('./bottleneck.ts'),
  effect: () => import('./effect.ts'),
}

export const peerNames: readonly string[] = Object.keys(loaders)

/** In how many rounds a peer is measured, if not in all. */
export function roundsOf({ maxRounds }: Peer): { rounds?: number } {
  return maxRounds === undefined ? {} : { rounds: maxRounds }
}

/** @throws {Error} for a name that is none of `peerNames` */
export async function loadPeer(name: string): Promise<Peer> {
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined
  if (load === undefined) throw new Error(`there is no peer '${name}' (there are ${peerNames.join(', ')})`)
  return (await load()).peer
}

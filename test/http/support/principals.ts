/** Who asks in the tests: one of each level, and a second submitter. */
import type { Level } from 'triage-queue/http'

export const tokenOf = (name: string): string => `token-of-${name}-0123456789`

export const principals: readonly { name: string; level: Level; token: string }[] = [
  { name: 'vera', level: 'viewer', token: tokenOf('vera') },
  { name: 'sam', level: 'submitter', token: tokenOf('sam') },
  { name: 'sue', level: 'submitter', token: tokenOf('sue') },
  { name: 'olga', level: 'operator', token: tokenOf('olga') },
  { name: 'ada', level: 'admin', token: tokenOf('ada') },
]

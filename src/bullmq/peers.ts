/**
 * Are bullmq and ioredis installed? Asked only when an executor or a worker is made, so that importing us loads neither.
 */

type Bullmq = typeof import('bullmq')
type Ioredis = typeof import('ioredis')

export interface Peers {
  readonly bullmq: Bullmq
  readonly Redis: Ioredis['Redis']
}

const needed = ['bullmq', 'ioredis']

/** @throws {Error} one line, with the command that installs what is missing */
export function peers(): Peers {
  const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
  const missing = needed.filter((name) => {
    try {
      require.resolve(name)
      return false
    } catch {
      return true
    }
  })
  if (missing.length > 0) {
    throw new Error(`triage-queue/bullmq needs ${missing.join(' and ')}: npm install bullmq@^6.7 ioredis@^6`)
  }
  const [bullmq, ioredis] = needed.map((name) => require(name)) as [Bullmq, Ioredis]
  return { bullmq, Redis: ioredis.Redis }
}

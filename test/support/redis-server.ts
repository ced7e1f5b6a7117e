/**
 * A redis-server for a test: on a free port of 127.0.0.1, in a directory of its own, ended by its process id.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly pid: number
  /** SIGKILL, at once. */
  kill(): Promise<void>
  /** Again, on the same port, with what it had on its disk. */
  start(): Promise<void>
  /** For good: ends it, and removes its directory. */
  close(): Promise<void>
}

/**
 * @param settings more of them: `['--maxmemory-policy', 'allkeys-lru']`
 * @param within where its directory is made
 */
export async function startRedis(
  settings: readonly string[] = [],
  isStarted = true,
  within = tmpdir(),
): Promise<RedisServer> {
  const folder = mkdtempSync(join(within, 'triage-redis-'))
  const port = await freePort()
  let server: ChildProcess | undefined
  let ended: Promise<void> = Promise.resolve()

  const start = async (): Promise<void> => {
    const place = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
    const started = spawn('redis-server', [...place, ...durable, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] })
    server = started
    ended = new Promise((resolve) => started.once('close', () => resolve()))
    await new Promise<void>((resolve, reject) => {
      started.once('error', () => reject(new Error('there is no redis-server: apt-get install redis-server')))
      started.once('close', (code) => reject(new Error(`redis-server has ended with ${code}`)))
      let said = ''
      started.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-10_000)
        if (said.includes('Ready to accept connections')) resolve()
      })
    })
  }
  const kill = async (): Promise<void> => {
    server?.kill('SIGKILL')
    await ended
  }
  if (isStarted) await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return server?.pid ?? 0
    },
    kill,
    start,
    close: async () => {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

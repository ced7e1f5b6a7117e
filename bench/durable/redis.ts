/**
 * A redis-server for one measurement: on a free port, with every command on the disk before it is answered.
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

export interface Redis {
  readonly port: number
  close(): Promise<void>
}

/** @throws {Error} a line that says what to install */
export async function startRedis(folder: string): Promise<Redis> {
  const port = await freePort()
  const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
  const server = spawn('redis-server', [...settings, ...durable], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    server.once('error', () => reject(new Error('bullmq needs a redis-server: apt-get install redis-server')))
    server.once('close', (code) => reject(new Error(`redis-server has ended with ${code}`)))
    let said = ''
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('Ready to accept connections')) resolve()
    })
  })
  return {
    port,
    close() {
      server.kill()
      return ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}

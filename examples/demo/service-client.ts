/**
 * How is the service started, asked, and ended?
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** What the service says of itself: requests it works on, and the bytes it has compressed, by whether it was for naught. */
export interface Health {
  readonly active: number
  readonly usefulBytes: number
  readonly wastedBytes: number
}

export class Service {
  readonly url: string
  readonly #child: ChildProcess
  #stopping = false

  private constructor(child: ChildProcess, url: string, onDeath: (why: string) => void) {
    this.#child = child
    this.url = url
    child.once('exit', (code, signal) => {
      if (!this.#stopping) onDeath(`the service has ended by itself (${signal ?? `exit code ${code}`})`)
    })
  }

  /** Starts the service, with one thread for its work, and waits until it listens. */
  static async start(onDeath: (why: string) => void): Promise<Service> {
    const file = fileURLToPath(new URL('service.ts', import.meta.url))
    const child = fork(file, [], { env: { ...process.env, UV_THREADPOOL_SIZE: '1' } })
    const exited = once(child, 'exit').then(() => {
      throw new Error('the service did not start')
    })
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [{ port: number }]
    exited.catch(() => {})
    return new Service(child, `http://127.0.0.1:${message.port}`, onDeath)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The one call that everything here is about: both ways send exactly this. */
  async compress(bytes: number, signal?: AbortSignal): Promise<{ bytes: number; compressed: number }> {
    const response = await fetch(`${this.url}/compress?bytes=${bytes}`, { signal: signal ?? null })
    const body = await response.text()
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    const answer = JSON.parse(body) as { bytes: number; compressed: number }
    if (answer.bytes !== bytes) throw new Error('a wrong answer')
    return answer
  }

  async health(): Promise<Health> {
    return (await (await fetch(`${this.url}/health`)).json()) as Health
  }

  /** Waits until the service works on nothing any more. */
  async rest(): Promise<Health> {
    for (;;) {
      const health = await this.health()
      if (health.active === 0) return health
      await sleep(20)
    }
  }

  stop(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }
}

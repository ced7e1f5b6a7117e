/**
 * The examples for Express, Fastify and Nest: how much is it to write, and does it hold under three times the capacity?
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { seeded } from '../support/seeded.ts'
import { type Answer, get } from '../web/support.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const fromSource = './test/support/from-source.ts'

/** The capacity of each example: 4 slots, 50 ms a request. */
const PER_SECOND = 80
const LOAD_MS = 4_000
const PATIENCE_MS = 2_000

interface Framework {
  readonly file: string
  readonly imports: readonly string[]
  readonly flags?: readonly string[]
  /** The framework's own first example. */
  readonly hello: string
}

const frameworks: Record<string, Framework> = {
  // https://expressjs.com/en/starter/hello-world.html
  Express: {
    file: 'examples/express.ts',
    imports: ['express'],
    hello: `import express from 'express'
const app = express()
const port = 3000
app.get('/', (req, res) => {
  res.send('Hello World!')
})
app.listen(port, () => {
  console.log(\`Example app listening on port \${port}\`)
})`,
  },
  // https://fastify.dev/docs/latest/Guides/Getting-Started/
  Fastify: {
    file: 'examples/fastify.ts',
    imports: ['fastify'],
    hello: `import Fastify from 'fastify'
const fastify = Fastify({ logger: true })
fastify.get('/', async function handler(request, reply) {
  return { hello: 'world' }
})
try {
  await fastify.listen({ port: 3000 })
} catch (err) {
  fastify.log.error(err)
  process.exit(1)
}`,
  },
  // What \`nest new\` writes, in one file and without its service.
  Nest: {
    file: 'examples/nest/main.ts',
    imports: ['@nestjs/common', '@nestjs/core'],
    flags: ['--import', './examples/nest/decorators.ts'],
    hello: `import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
@Controller()
class AppController {
  @Get()
  getHello(): string {
    return 'Hello World!'
  }
}
@Module({
  imports: [],
  controllers: [AppController],
  providers: [],
})
class AppModule {}
async function bootstrap() {
  const app = await NestFactory.create(AppModule)
  await app.listen(process.env.PORT ?? 3000)
}
bootstrap()`,
  },
}

/** The lines that say something: no empty ones, no comments. */
function linesOf(text: string): string[] {
  return text
    .replaceAll(/\/\*\*.*?\*\//gs, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//'))
}

class Server {
  readonly child: ChildProcess
  readonly port: number
  output = ''

  constructor({ file, flags = [] }: Framework, port: number) {
    this.port = port
    const args = ['--import', fromSource, ...flags, file]
    this.child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, PORT: `${port}` } })
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (text) => (this.output += text))
  }

  async listens(): Promise<void> {
    while (!(await this.ask('/health').catch(() => undefined))) {
      if (this.child.exitCode !== null) throw new Error(this.output)
      await sleep(50)
    }
  }

  ask(path = '/', headers: Record<string, string> = {}): Promise<Answer> {
    return get(this.port, headers, path)
  }

  /** What a counter says in `/metrics`, all its series together. */
  async counted(series: RegExp): Promise<number> {
    const { body, headers } = await this.ask('/metrics')
    expect(headers['content-type']).toMatch(/^text\/plain;.*version=0\.0\.4/)
    const found = body.split('\n').filter((line) => series.test(line))
    return found.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }
}

interface Sent extends Answer {
  readonly asked: Record<string, string>
  /** From when it was to be sent. */
  readonly ms: number
}

/** Open loop: each is sent at its own time, whatever has become of those before. */
async function load(
  server: Server,
  perSecond: number,
  forMs: number,
  headersOf: (random: () => number) => Record<string, string>,
): Promise<Sent[]> {
  // The same arrivals in each run.
  const random = seeded(16)
  const all: Promise<Sent>[] = []
  const start = performance.now()
  for (let at = 0; at < forMs; at += (-Math.log(1 - random()) * 1_000) / perSecond) {
    const asked = headersOf(random)
    const early = start + at - performance.now()
    if (early > 1) await sleep(early)
    all.push(server.ask('/', asked).then((answer) => ({ ...answer, asked, ms: performance.now() - start - at })))
  }
  return Promise.all(all)
}

test.each(Object.values(frameworks))(
  '$file is at most 15 lines more than the hello world',
  ({ file, imports, hello }) => {
    const text = readFileSync(`${root}/${file}`, 'utf8')
    const rest = linesOf(hello)
    const added = linesOf(text).filter((line) => {
      const at = rest.indexOf(line)
      if (at >= 0) rest.splice(at, 1)
      return at < 0
    })
    expect(added.length).toBeLessThanOrEqual(15)
    const ours = ['triage-queue', 'triage-queue/prometheus', 'triage-queue/web', 'prom-client']
    const from = [...text.matchAll(/ from '([^']+)'/g)].map(([, name]) => name)
    expect(from.sort()).toEqual([...ours, ...imports].sort())
  },
)

describe.each(Object.keys(frameworks))('%s', { timeout: 60_000 }, (name) => {
  let server: Server
  beforeAll(async () => {
    server = new Server(frameworks[name] as Framework, await freePort())
    await server.listens()
  }, 60_000)
  afterAll(() => {
    server.child.kill('SIGKILL')
  })

  test('three times the capacity: URGENT is answered in time, and who is refused is told when to come back', async () => {
    const all = await load(server, 3 * PER_SECOND, LOAD_MS, (random) => {
      const draw = random()
      const priority = draw < 0.12 ? 'urgent' : draw < 0.3 ? 'high' : draw < 0.7 ? 'normal' : 'low'
      return { 'triage-priority': priority, 'triage-deadline': `${PATIENCE_MS}` }
    })
    expect(all.length).toBeGreaterThan((2.5 * PER_SECOND * LOAD_MS) / 1_000)
    const urgent = all.filter(({ asked }) => asked['triage-priority'] === 'urgent')
    const inTime = urgent.filter(({ status, ms }) => status === 200 && ms <= PATIENCE_MS)
    expect(inTime.length / urgent.length).toBeGreaterThanOrEqual(0.99)
    const refused = all.filter(({ status }) => status !== 200)
    expect(refused.length).toBeGreaterThan(all.length / 3)
    for (const { status, headers } of refused) {
      // 504: its time was over when it had just started.
      expect([503, 504]).toContain(status)
      if (status === 503) expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    }
    expect(refused.filter(({ status }) => status === 504).length).toBeLessThan(all.length / 20)
    expect(await server.counted(/^triage_requests_ended_total\{.*outcome="completed"/)).toBeGreaterThanOrEqual(
      all.length - refused.length,
    )
  })

  test('a header that can’t be read is a 400', async () => {
    const wrong = [{ 'triage-priority': 'soon' }, { 'triage-deadline': 'soon' }]
    for (const headers of wrong as Record<string, string>[]) {
      expect((await server.ask('/', headers)).status).toBe(400)
    }
  })

  test('a tenant that asks for less than its share has it, beside one that asks for three times the capacity', async () => {
    const all = await load(server, 3.2 * PER_SECOND, LOAD_MS / 2, (random) => {
      return { 'triage-deadline': `${PATIENCE_MS}`, 'x-tenant': random() < 0.2 / 3.2 ? 'quiet' : 'noisy' }
    })
    const shareOf = (tenant: string): number => {
      const of = all.filter(({ asked }) => asked['x-tenant'] === tenant)
      return of.filter(({ status }) => status === 200).length / of.length
    }
    expect(shareOf('quiet')).toBeGreaterThanOrEqual(0.95)
    expect(shareOf('noisy')).toBeLessThan(0.6)
  })

  test('a client that hangs up is not worked for', async () => {
    const cancelled = /^triage_requests_ended_total\{.*outcome="cancelled"/
    const before = await server.counted(cancelled)
    const others = Array.from({ length: 12 }, () => server.ask())
    const gone = request({ host: '127.0.0.1', port: server.port, agent: false, headers: { 'triage-priority': 'low' } })
    gone.on('error', () => {})
    await new Promise((resolve) => gone.end(resolve))
    await Promise.race(others)
    gone.destroy()
    await Promise.all(others)
    while ((await server.counted(cancelled)) === before) await sleep(20)
  })

  test('on SIGTERM it is not healthy, refuses, finishes what it has admitted, and ends', async () => {
    expect((await server.ask('/health')).status).toBe(200)
    const exited = once(server.child, 'exit')
    const admitted = Array.from({ length: 40 }, () => server.ask())
    await Promise.race(admitted)
    server.child.kill('SIGTERM')
    let health = 200
    while (health === 200) health = (await server.ask('/health')).status
    expect(health).toBe(503)
    expect((await server.ask()).status).toBe(503)
    expect((await Promise.all(admitted)).map(({ status }) => status)).toEqual(admitted.map(() => 200))
    expect(await exited).toEqual([0, null])
  })
})

/** What starts the example elsewhere is sound: it is read here, and not run. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const folder = new URL('../../examples/scale-out/', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8')

interface Service {
  readonly command: readonly string[]
  readonly environment?: { readonly [name: string]: string }
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly deploy?: { readonly replicas: number }
}

test('compose.yml: a Redis that keeps what it acknowledged, a gateway, and workers by --scale', () => {
  const { services, volumes } = parse(read('compose.yml')) as {
    services: { readonly [name: string]: Service }
    volumes: object
  }
  expect(Object.keys(services)).toEqual(['redis', 'gateway', 'worker'])
  const { redis, gateway, worker } = services as { [name: string]: Service }
  const settings = redis?.command.join(' ')
  expect(settings).toContain('--appendonly yes --appendfsync always --maxmemory-policy noeviction')
  expect(redis?.volumes).toEqual(['redis-data:/data'])
  expect(Object.keys(volumes)).toEqual(['redis-data'])
  // What is started is there, and reads what it is given.
  for (const service of [gateway, worker]) {
    const source = read(service?.command[1] as string)
    for (const name of Object.keys(service?.environment ?? {})) expect(source).toContain(name)
  }
  // Scaled, so without a port of its own.
  expect([worker?.ports, worker?.deploy?.replicas]).toEqual([undefined, 2])
  expect(read('Dockerfile')).toContain('npm install triage-queue bullmq@^6.7 ioredis@^6')
})

test('keda.yml: it scales by the metric that there is', () => {
  const { kind, spec } = parse(read('keda.yml'))
  expect(kind).toBe('ScaledObject')
  expect(spec.triggers[0]).toMatchObject({ type: 'prometheus', metadata: { threshold: '1' } })
  expect(spec.triggers[0].metadata.query).toContain('triage_workers_wanted{queue="jobs"}')
})

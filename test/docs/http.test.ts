/** docs/http.md: its reference is that of the table, its code compiles, and what it says of itself is so. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { routes } from '../../src/http/table.ts'
import { withReference } from '../../tools/http-reference.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/http.md'), 'utf8')
const folder = mkdtempSync(join(root, '.http-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the reference is what the table says: else run node tools/http-reference.ts', () => {
  expect(withReference(page)).toBe(page)
})

test('its code is sound TypeScript', { timeout: 120_000 }, async () => {
  const fences = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code as string)
  expect(fences.length).toBeGreaterThan(1)
  for (const [i, code] of fences.entries()) writeFileSync(join(folder, `fence-${i}.mts`), code)
  writeFileSync(join(folder, 'tsconfig.json'), '{ "extends": "../tsconfig.json", "include": ["fence-*.mts"] }')
  const tsc = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: root })
  expect(await tsc.catch(({ stdout }) => ({ stdout }))).toMatchObject({ stdout: '' })
})

test('openapi.json has each route of the table, with its level, its parameters and its body', async () => {
  const app = httpApp({ queues: new QueuedExecutor(async () => 1) })
  onTestFinished(() => app.close())
  const response = await app.fetch(new Request('http://localhost/openapi.json'), { remoteAddress: '127.0.0.1' })
  const { openapi, paths, components } = (await response.json()) as {
    openapi: string
    paths: Record<
      string,
      Record<string, { 'x-level': string; parameters?: { name: string; in: string }[]; requestBody?: unknown }>
    >
    components: { schemas: object }
  }
  expect(openapi).toBe('3.1.0')
  expect(components.schemas).toHaveProperty('Problem')
  const listed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const names = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name)
      expect(names, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
      return `${method.toUpperCase()} ${path} ${operation['x-level']} ${operation.requestBody !== undefined}`
    }),
  )
  const table = routes.map(({ method, path, level, body }) => {
    const shown = path.replaceAll(/\/:(\w+)/g, '/{$1}')
    return `${method} ${shown} ${level} ${body !== undefined}`
  })
  expect(listed.sort()).toEqual(table.sort())
})

import { readdirSync, readFileSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { brokenFloors } from './floors.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

function filesIn(folder: string): string[] {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path.split(sep).join('/')}`)
    .filter((path) => /\.(tsx?|css)$/.test(path) && !path.endsWith('.d.ts'))
}

test('src keeps its floors', { timeout: 60_000 }, () => {
  const files = new Map(filesIn('src').map((path) => [path, readFileSync(`${root}${path}`, 'utf8')]))
  expect(files.size).toBeGreaterThan(0)
  expect(brokenFloors(files)).toEqual([])
})

test('every folder beside core is the subpath export of the same name, but for the page that one of them serves, and the program', () => {
  const folders = readdirSync(`${root}src`, { withFileTypes: true })
    .filter(
      (entry) => entry.isDirectory() && entry.name !== 'core' && entry.name !== 'dashboard' && entry.name !== 'cli',
    )
    .map((entry) => `./${entry.name}`)
  const { exports, typesVersions } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const subpaths = Object.keys(exports).filter((key) => key !== '.' && key !== './package.json')
  expect(subpaths.sort()).toEqual(folders.sort())
  // For `moduleResolution: node10`, which does not read `exports`.
  const types = folders.map((folder) => [folder.slice(2), [`./dist/${folder.slice(2)}/index.d.cts`]])
  expect(typesVersions).toEqual({ '*': Object.fromEntries(types) })
})

describe('the rule itself, on synthetic files', () => {
  /** A small library that keeps every rule; each test breaks one. */
  const sound = {
    'src/core/clock.ts': 'export const clock = 1',
    'src/core/errors.ts': `import { clock } from './clock.ts'\nexport const error = clock`,
    'src/core/queue/order.ts': 'export const order = 1',
    'src/core/queue/request-queue.ts': `import { clock } from '../clock.ts'
      import { order } from './order.ts'
      export const queue = [clock, order]`,
    'src/core/run/worker-pool.ts': `import { AsyncResource } from 'node:async_hooks'\nexport const pool = AsyncResource`,
    'src/core/options.ts': 'export const options = 1',
    'src/core/queued-executor.ts': `import { EventEmitter } from 'eventemitter3'
      import { options } from './options.ts'
      import { queue } from './queue/request-queue.ts'
      import { pool } from './run/worker-pool.ts'
      export const executor = [EventEmitter, options, queue, pool]`,
    'src/index.ts': `export { executor } from './core/queued-executor.ts'`,
    'src/web/to-problem.ts': 'export const toProblem = 1',
    'src/http/index.ts': `export { server } from './server.ts'`,
    'src/http/server.ts': `import { createServer } from 'node:http'
      import { toProblem } from '../web/to-problem.ts'
      import type { executor } from '../index.ts'
      import { clock } from '../core/clock.ts'
      export const server = (it: typeof executor) => [createServer, toProblem, it, clock]`,
    'src/sqlite/index.ts': 'export const store = 1',
    'src/cli/main.ts': `import { server } from '../http/index.ts'\nimport { store } from '../sqlite/index.ts'
      export const all = [server, store]`,
  }

  const check = (changes: Record<string, string>) => brokenFloors(new Map(Object.entries({ ...sound, ...changes })))

  test('a sound library breaks nothing', () => {
    expect(check({})).toEqual([])
  })

  test.each([
    [
      'a station that imports another station',
      { 'src/core/run/slot.ts': `import { queue } from '../queue/request-queue.ts'\nexport const slot = queue` },
      'src/core/run/slot.ts imports ../queue/request-queue.ts: a station never imports another; declare a small interface of what it needs',
    ],
    [
      'a station that imports only a type of another station',
      {
        'src/core/run/slot.ts': `import type { queue } from '../queue/request-queue.ts'\nexport type Slot = typeof queue`,
      },
      'src/core/run/slot.ts imports ../queue/request-queue.ts: a station never imports another; declare a small interface of what it needs',
    ],
    [
      'a station that names the type of another station in place',
      { 'src/core/run/slot.ts': `export type Slot = typeof import('../queue/request-queue.ts')` },
      'src/core/run/slot.ts imports ../queue/request-queue.ts: a station never imports another; declare a small interface of what it needs',
    ],
    [
      'a shared word that looks up to a station',
      { 'src/core/priority.ts': `import { order } from './queue/order.ts'\nexport const priority = order` },
      'src/core/priority.ts imports ./queue/order.ts: floor 0 may not look up to floor 1',
    ],
    [
      'a shared word that looks up for a type only',
      { 'src/core/priority.ts': `import type { options } from './options.ts'\nexport type Priority = typeof options` },
      'src/core/priority.ts imports ./options.ts: floor 0 may not look up to floor 2',
    ],
    [
      'a station that looks up to the executor, dynamically',
      { 'src/core/watch/health.ts': `export const later = () => import('../queued-executor.ts')` },
      'src/core/watch/health.ts imports ../queued-executor.ts: floor 1 may not look up to floor 2',
    ],
    [
      'the executor that looks up to the public names',
      { 'src/core/options.ts': `import type { executor } from '../index.ts'\nexport type Options = typeof executor` },
      'src/core/options.ts imports ../index.ts: floor 2 may not look up to floor 3',
    ],
    [
      'public names that reach into a subpath',
      { 'src/index.ts': `export { store } from './sqlite/index.ts'` },
      'src/index.ts imports ./sqlite/index.ts: floor 3 may not look up to floor 4',
    ],
    [
      'a subpath that imports another subpath',
      { 'src/http/cache.ts': `import { store } from '../sqlite/index.ts'\nexport const cache = store` },
      'src/http/cache.ts imports ../sqlite/index.ts: a subpath never imports another',
    ],
    [
      'a subpath that imports the program',
      { 'src/http/cache.ts': `import { all } from '../cli/main.ts'\nexport const cache = all` },
      'src/http/cache.ts imports ../cli/main.ts: floor 4 may not look up to floor 5',
    ],
    [
      'a core file that imports a package of its own choice',
      { 'src/core/clock.ts': `import { performance } from 'node:perf_hooks'\nexport const clock = performance` },
      'src/core/clock.ts imports node:perf_hooks: the core may import only node:async_hooks, eventemitter3',
    ],
    [
      'a core file that imports zod',
      { 'src/core/options.ts': `import { z } from 'zod'\nexport const options = z` },
      'src/core/options.ts imports zod: the core may import only node:async_hooks, eventemitter3',
    ],
    [
      'a subpath that imports the package by its name',
      { 'src/sqlite/index.ts': `import { executor } from 'triage-queue'\nexport const store = executor` },
      'src/sqlite/index.ts imports triage-queue: inside the library, import the file by its relative path',
    ],
    [
      'an import without its extension',
      { 'src/core/errors.ts': `import { clock } from './clock'\nexport const error = clock` },
      'src/core/errors.ts imports ./clock: there is no such file (write the .ts extension)',
    ],
    [
      'an index file in a station',
      { 'src/core/queue/index.ts': 'export const anything = 1' },
      'src/core/queue/index.ts is a barrel file: import from the file that declares the name',
    ],
    [
      'a barrel under another name',
      { 'src/core/queue/all.ts': `export * from './order.ts'\nexport { queue } from './request-queue.ts'` },
      'src/core/queue/all.ts is a barrel file: import from the file that declares the name',
    ],
    [
      'a folder that is no station',
      { 'src/core/utils/text.ts': 'export const text = 1' },
      'src/core/utils/text.ts is on no floor',
    ],
    ['a file beside index.ts', { 'src/helpers.ts': 'export const help = 1' }, 'src/helpers.ts is on no floor'],
  ])('finds %s', (_name, changes, sentence) => {
    expect(check(changes as Record<string, string>)).toEqual([sentence])
  })
})

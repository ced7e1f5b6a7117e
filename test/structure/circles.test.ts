import { globSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { describe, expect, test } from 'vitest'
import { circles } from './circles.ts'

const root = join(import.meta.dirname, '../..')

/** Their parts are handed the whole, and may know its type. */
const wholes = [
  // A schedule that happens: its model, laws, faults and actions are files of their own, and all look at one state.
  'test/simulation/support/world.ts',
]

function allFiles(): Map<string, string> {
  const paths = globSync('{src,test,bench,tools,examples}/**/*.ts', { cwd: root, exclude: ['**/node_modules'] })
  return new Map(paths.map((path) => [path.split(sep).join('/'), readFileSync(join(root, path), 'utf8')]))
}

test('no file imports itself by way of others', { timeout: 60_000 }, () => {
  const files = allFiles()
  expect(files.size).toBeGreaterThan(300)
  expect(circles(files, wholes)).toEqual([])
})

describe('the rule itself, on synthetic files', () => {
  const check = (files: Record<string, string>) => circles(new Map(Object.entries(files)))

  test('two ways to one file are no circle', () => {
    const files = { 'a.ts': `import './b.ts'\nimport './in/c.ts'`, 'b.ts': `import './in/c.ts'`, 'in/c.ts': '' }
    expect(check(files)).toEqual([])
  })

  test('a circle is found in types and in re-exports, and is shown once', () => {
    const files = {
      'a.ts': `import './b.ts'`,
      'b.ts': `import type { C } from './in/c.ts'`,
      'in/c.ts': `export { b } from '../b.ts'`,
    }
    expect(check(files)).toEqual(['b.ts > in/c.ts > b.ts'])
  })

  test('of each group of files that import each other the shortest circle is shown', () => {
    const files = {
      'a.ts': `import './b.ts'\nimport './c.ts'`,
      'b.ts': `import './c.ts'`,
      'c.ts': `import './a.ts'`,
      'd.ts': `import './d.ts'`,
    }
    expect(check(files)).toEqual(['a.ts > c.ts > a.ts', 'd.ts > d.ts'])
  })

  test('the parts of a whole may know its type, and nothing else of it', () => {
    const files = { 'whole.ts': `import './part.ts'`, 'part.ts': `import type { Whole } from './whole.ts'` }
    expect(circles(new Map(Object.entries(files)), ['whole.ts'])).toEqual([])
    const more = { ...files, 'part.ts': `${files['part.ts']}\nimport { whole } from './whole.ts'` }
    expect(circles(new Map(Object.entries(more)), ['whole.ts'])).toEqual(['part.ts > whole.ts > part.ts'])
  })
})

/**
 * No array of any length is spread into a call: each item takes a place on the stack, and some 100,000 of them overflow it.
 * A copy, `[...all]`, takes none.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/**
 * Those whose length is known: one item for each priority, for each column of a terminal, or for each level of a log. Or they
 * have been arguments already, those of a wrapped function.
 */
const bounded = [
  'src/core/queue/orders/weighted.ts: Math.max(...read)',
  'src/core/queue/request-queue.ts: Math.max(...waits)',
  'src/core/task-queue.ts: options.apply(undefined, args)',
  'src/core/task-queue.ts: fn.apply(this, args)',
  'src/log/options.ts: oneOf(...logLevels)',
  'src/terminal/text.ts: Math.max(...values)',
  'src/terminal/view.ts: Math.max(...Object.values(oldestWaitMsByPriority))',
]

/** All calls that are given an array as if each of its items were an argument. */
function spreadsIn(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest)
  const found: string[] = []
  const look = (node: ts.Node): void => {
    const isCall = ts.isCallExpression(node) || ts.isNewExpression(node)
    const applies =
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'apply'
    if (applies || (isCall && node.arguments?.some(ts.isSpreadElement))) found.push(`${file}: ${node.getText(source)}`)
    ts.forEachChild(node, look)
  }
  look(source)
  return found
}

test('what is spread into a call has a length that is known', () => {
  const files = globSync('src/**/*.ts', { cwd: root }).sort()
  expect(files.flatMap(spreadsIn)).toEqual(bounded)
})

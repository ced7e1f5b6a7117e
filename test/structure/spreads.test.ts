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
 * Those whose length is known: one item for each priority, for each column of a terminal or of a table, for each field of a job, or for
 * each level of a log. Or they have been arguments already, those of a wrapped function.
 */
const bounded = [
  'src/bullmq/outstanding.ts: pipeline.hmget(this.#host.base + jobId, ...fields)',
  'src/bullmq/records.ts: pipeline.hmget(base + jobId, ...fields)',
  'src/bullmq/remote-worker.ts: this.#client.hdel(workers, ...gone)',
  'src/bullmq/submission.ts: client.hmget(keys.base + one.jobId, ...fields)',
  'src/cli/requests/requests.ts: choice(...states)',
  'src/core/queue/orders/weighted.ts: Math.max(...read)',
  'src/core/queue/request-queue.ts: Math.max(...waits)',
  'src/core/task-queue.ts: options.apply(undefined, args)',
  'src/core/task-queue.ts: fn.apply(this, args)',
  'src/log/options.ts: oneOf(...logLevels)',
  "src/sqlite/changes.ts: this.#run('insertKept', ...KEPT_COLUMNS.map((column) => row[column]), keptSum(row))",
  "src/sqlite/changes.ts: this.#run('insertLive', ...LIVE_COLUMNS.map((column) => whole[column as keyof LiveRow]))",
  "src/sqlite/changes.ts: this.#run('insertDead', ...DEAD_COLUMNS.map((column) => row[column]), deadSum(row))",
  "src/sqlite/changes.ts: this.#run('updateState', ...values, stateSum(state), state.seq)",
  'src/sqlite/changes.ts: (this.#sql[name] as Statement).get(...values)',
  'src/sqlite/changes.ts: (this.#sql[name] as Statement).run(...values)',
  'src/sqlite/database.ts: database.prepare(sql).get(...values)',
  'src/sqlite/minutes.ts: insert.run(...values)',
  'src/sqlite/opening.ts: insert.run(...values)',
  'src/sqlite/opening.ts: update.run(...metaValues(meta))',
  'src/sqlite/reader.ts: values.push(...more)',
  'src/sqlite/reader.ts: this.#all(sql, ...values, limit)',
  'src/sqlite/reader.ts: this.#statements.of(sql).all(...values)',
  'src/sqlite/repair.ts: insert.run(...values, deadSum(row))',
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

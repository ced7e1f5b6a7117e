/**
 * Do the fake timers of each runner work, on each Node? Each runs the same scenarios, again and again: what depends on fractions of
 * a millisecond fails in some of many tries.
 *
 * Needs `npm run build` first. `npm run matrix -- --repetitions 10`; `-- --only vitest` for the cells whose names have that in it.
 */
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cells, folder, install, modules, nodeOf, tryAll } from './runners.ts'

const { values } = parseArgs({
  options: { repetitions: { type: 'string', default: '300' }, only: { type: 'string', default: '' } },
})

const vitests = [1, 2, 3, 4, 5]
const nodes = { 22: nodeOf('n22'), 24: process.execPath, 26: nodeOf('n26') }
const env = { REPETITIONS: values.repetitions }
const jest = (...args: string[]) => [join(modules, 'jest', 'bin', 'jest.js'), '--no-cache', ...args]

install()
for (const version of vitests) prepare(version)
console.log(`${values.repetitions} times each:`)
tryAll(
  [
    ...vitests.map((version) => ({
      name: `vitest ${version}`,
      cwd: cellOf(version),
      args: [join(modules, `vitest-${version}`, 'vitest.mjs'), 'run', '--testTimeout', '120000'],
      env,
    })),
    { name: 'jest 30, ESM', args: ['--experimental-vm-modules', ...jest('jest-esm')], env },
    { name: 'jest 30, CJS', args: jest('jest-cjs'), env },
    { name: 'jest 30, legacy', args: jest('jest-legacy'), env },
    ...Object.entries(nodes).flatMap(([version, command]) => [
      { name: `node:test, Node ${version}`, command, args: ['--test', 'node.test.mjs'], env },
      { name: `sinon 22, Node ${version}`, command, args: ['--test', 'sinon.test.mjs'], env },
    ]),
    { name: 'jest --detectOpenHandles', args: jest('jest-handles', '--detectOpenHandles'), never: /open handle/ },
    { name: 'winston, level fatal', args: ['--test', 'winston.test.mjs'] },
  ].filter(({ name }) => name.includes(values.only)),
)

/** Each vitest looks for itself by its own name: it has a folder where that is found. */
function cellOf(version: number): string {
  return join(cells, `vitest-${version}`)
}

function prepare(version: number): void {
  const cell = cellOf(version)
  rmSync(cell, { recursive: true, force: true })
  mkdirSync(join(cell, 'node_modules'), { recursive: true })
  symlinkSync(join(modules, `vitest-${version}`), join(cell, 'node_modules', 'vitest'))
  // Without one it takes that of this repository.
  writeFileSync(join(cell, 'vitest.config.mjs'), 'export default {}\n')
  for (const file of ['vitest.test.mjs', 'scenarios.cjs']) cpSync(join(folder, file), join(cell, file))
}

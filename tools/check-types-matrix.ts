/**
 * What TypeScript makes of our declarations: each version that we promise, by each way to resolve a package, with and without
 * @types/node. Compiles `test/types`, which states what the types are, and a file that imports every subpath, against the built
 * package: strict, and with our declarations checked as well (`skipLibCheck: false`). One line for each cell of the matrix.
 *
 * Needs `npm run build` first. `-- --only 5.4` compiles the cells alone that begin with it.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')
const installed = join(root, 'node_modules')
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })

/** The oldest, the last that is written in JavaScript, and the newest, by the folder of each. */
const versions = { '5.4': 'typescript-5.4', '6.0': 'typescript', '7.0': 'ts7' }

interface Resolution {
  readonly type: 'commonjs' | 'module'
  readonly options: object
  /** Versions that know it. */
  readonly until?: string
}

const resolutions: { readonly [name: string]: Resolution } = {
  'node16, import': { type: 'module', options: { module: 'node16' } },
  'node16, require': { type: 'commonjs', options: { module: 'node16' } },
  bundler: { type: 'module', options: { module: 'esnext', moduleResolution: 'bundler' } },
  node10: { type: 'commonjs', options: { module: 'commonjs', moduleResolution: 'node10' }, until: '6.0' },
}

/** Whoever has no @types/node has the DOM's AbortSignal; whoever has it needs no DOM. */
const surroundings = {
  'without @types/node': { types: [], lib: ['es2022', 'dom'] },
  'with @types/node, no DOM': { types: ['node'], lib: ['es2022'] },
}

const scratch = mkdtempSync(join(tmpdir(), 'triage-queue-types-'))
const cells: (() => Promise<string | undefined>)[] = []

try {
  if (!existsSync(join(root, manifest.types))) throw new Error('there is no dist: `npm run build` first')
  for (const type of ['module', 'commonjs'] as const) prepare(join(scratch, type), type)
  for (const [version, folder] of Object.entries(versions)) {
    for (const [resolution, { type, options, until }] of Object.entries(resolutions)) {
      if (until !== undefined && Number(version) > Number(until)) continue
      for (const [surrounding, more] of Object.entries(surroundings)) {
        const name = `${version}, ${resolution}, ${surrounding}`
        if (!name.startsWith(values.only)) continue
        const deprecated = resolution === 'node10' && version === '6.0' ? { ignoreDeprecations: '6.0' } : {}
        cells.push(() => compile(name, join(scratch, type), folder, { ...options, ...more, ...deprecated }))
      }
    }
  }
  if (cells.length === 0) throw new Error(`no cell begins with '${values.only}'`)
  const failed = await all()
  if (failed.length > 0) throw new Error(`these do not compile:\n${failed.join('\n')}`)
  console.log(`ok: the types hold in all ${cells.length} cells`)
} catch (error) {
  console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** A project that has the package, as it is published, and the type tests. */
function prepare(folder: string, type: string): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, manifest.name), { recursive: true })
  for (const part of ['dist', 'package.json'])
    cpSync(join(root, part), join(modules, manifest.name, part), { recursive: true })
  // @types/node brings undici-types; the subpath for it brings @opentelemetry/api.
  for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types', '@opentelemetry/api']) {
    cpSync(join(installed, name), join(modules, name), { recursive: true, dereference: true })
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type }))
  const tests = join(root, 'test/types')
  for (const file of readdirSync(tests)) cpSync(join(tests, file), join(folder, file))
  const entries = Object.keys(manifest.exports).filter((key) => key !== './package.json')
  const imports = entries.map((key, i) => `import * as entry${i} from '${manifest.name}${key.slice(1)}'`)
  writeFileSync(
    join(folder, 'entries.ts'),
    [...imports, `export const all = [${entries.map((_, i) => `entry${i}`)}]`].join('\n'),
  )
}

/** What the compiler has to complain of, if anything. */
async function compile(name: string, folder: string, typescript: string, options: object): Promise<string | undefined> {
  const config = join(folder, `tsconfig.${name.replace(/\W+/g, '-')}.json`)
  const compilerOptions = {
    ...{ target: 'es2022', strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ skipLibCheck: false, noEmit: true, allowImportingTsExtensions: true },
    ...options,
  }
  writeFileSync(config, JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const tsc = spawn(process.execPath, [join(installed, typescript, 'bin/tsc'), '-p', config], { cwd: folder })
  let said = ''
  for (const stream of [tsc.stdout, tsc.stderr]) stream.on('data', (chunk) => (said += chunk))
  const code = await new Promise((resolve) => tsc.on('close', resolve))
  console.log(`${code === 0 ? 'ok' : 'FAILED'}: TypeScript ${name}`)
  return code === 0 ? undefined : `TypeScript ${name}\n${said}`
}

/** As many at a time as there are processors. */
async function all(): Promise<string[]> {
  const rest = [...cells]
  const failed: string[] = []
  const work = async (): Promise<void> => {
    for (let cell = rest.shift(); cell !== undefined; cell = rest.shift()) {
      const complaint = await cell()
      if (complaint !== undefined) failed.push(complaint)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return failed
}

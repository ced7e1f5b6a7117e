/**
 * What a consumer gets: packs the built package, installs the tarball into a scratch project that has nothing else, and
 * states facts about it, one a line, each checked. Ends with 1 and the reason as soon as a fact does not hold.
 *
 * Needs `npm run build` first. The scratch project lies in the system's temporary folder and is removed at the end.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import ts from 'typescript'
import manifest from '../package.json' with { type: 'json' }
import { checkProgram } from './check-program.ts'

/** The other Node versions that the package supports; the third is the one that runs this file. */
const OTHER_NODES = {
  n22: `npm:node-linux-${process.arch}@22.23.3`,
  n26: `npm:node-linux-${process.arch}@26.10.0`,
}

/** How much dearer an unrelated `await` may become. */
const MAX_AWAIT_RATIO = 1.2

/**
 * Not passed on to what we start: the settings of the npm that runs us, which would make a nested npm work on this
 * repository, and what makes Node talk on stderr.
 */
const NOT_INHERITED = /^(npm_(?!config_).*|npm_config_(local_)?prefix|NODE_OPTIONS|NODE_DEBUG|FORCE_COLOR|NO_COLOR)$/i

const root = join(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'triage-queue-package-'))
const installed = join(scratch, 'node_modules', manifest.name)

/** Subpaths that can't be imported without the peer that they are for; it is optional everywhere else. */
const peersOf: { readonly [folder: string]: readonly string[] } = {
  otel: ['@opentelemetry/api'],
  // With what it depends on itself.
  prometheus: ['prom-client', '@opentelemetry/api', 'tdigest', 'bintrees'],
}

/** Every specifier that a consumer can import: `triage-queue`, `triage-queue/simulation` … */
const entries = Object.keys(manifest.exports)
  .filter((key) => key !== './package.json')
  .map((key) => manifest.name + key.slice(1))

try {
  install()
  checkFiles()
  checkDeclarations()
  checkMissingPeers()
  // Before there is any peer.
  for (const node of [...Object.keys(OTHER_NODES).map(pathOfNode), process.execPath]) {
    fact(
      `Node ${await checkProgram(node, scratch, ownEnvironment())}: npx triage-queue serve, top, requests, run and size do what the README says`,
    )
  }
  addPeers()
  for (const node of [...Object.keys(OTHER_NODES).map(pathOfNode), process.execPath]) checkNode(node)
  for (const node of [...Object.keys(OTHER_NODES).map(pathOfNode), process.execPath]) checkAwaits(node)
  checkRestrictedNode()
  checkTypes()
  console.log(`ok: ${manifest.name} ${manifest.version} holds what it promises to its consumers`)
} catch (error) {
  console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function install(): void {
  writeJson('package.json', { private: true })
  const tarball = run('npm', ['pack', '--silent', '--pack-destination', scratch], root).trim().split('\n').at(-1) ?? ''
  const others = Object.entries(OTHER_NODES).map(([name, spec]) => `${name}@${spec}`)
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `./${tarball}`, ...others])
  const packages = readdirSync(join(scratch, 'node_modules')).filter((name) => !name.startsWith('.'))
  const mine = packages.filter((name) => !(name in OTHER_NODES)).sort()
  expectSame(mine, [manifest.name, ...Object.keys(manifest.dependencies)].sort(), 'installed packages')
  fact(`installing the tarball brings ${mine.join(', ')} and nothing else`)
}

function checkFiles(): void {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  for (const file of [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'docs/policies.md',
    'examples/quick-start.ts',
  ]) {
    if (!files.includes(file)) throw new Error(`the tarball lacks ${file}`)
  }
  const stray = files.filter((file) => /^(src|test|tools|bench|node_modules)\b/.test(file))
  expectSame(stray, [], 'files that should not be in the tarball')
  fact('the tarball has its licence, README, changelog, SECURITY.md, docs and examples, and no sources or tests')
}

/** No declaration may name a package that the consumer need not have. */
function checkDeclarations(): void {
  const dependencies = Object.keys(manifest.dependencies)
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
  const declarations = files.filter((file) => /\.d\.c?ts$/.test(file))
  for (const file of declarations) {
    const allowed = new Set([...dependencies, ...(peersOf[file.split(sep)[0] as string] ?? [])])
    const { importedFiles, typeReferenceDirectives } = ts.preProcessFile(
      readFileSync(join(installed, 'dist', file), 'utf8'),
    )
    for (const { fileName } of [...importedFiles, ...typeReferenceDirectives]) {
      if (fileName.startsWith('.') || fileName.startsWith('node:') || allowed.has(fileName)) continue
      throw new Error(`dist/${file} refers to the types of ${fileName}, which a consumer need not have`)
    }
  }
  fact(
    `${declarations.length} declaration files refer to no package but ${dependencies.join(', ')}, and those of a peer's subpath to the peer`,
  )
}

/** What a consumer of those subpaths has: that the main entry never asks for it is checked below. */
/** Where BullMQ is not installed, its error is one line that says what to do. */
function checkMissingPeers(): void {
  const program = `import { remoteExecutor } from '${manifest.name}/bullmq'
    try { remoteExecutor('q', { connection: 'redis://127.0.0.1:1' }) } catch (error) { console.log(error.message) }`
  const expected = 'triage-queue/bullmq needs bullmq and ioredis: npm install bullmq@^6.7 ioredis@^6'
  expectSame([run(process.execPath, ['--input-type=module', '-e', program]).trim()], [expected], 'without BullMQ')
  fact(`without its peers ${manifest.name}/bullmq says: ${expected}`)
}

function addPeers(): void {
  for (const peer of new Set(Object.values(peersOf).flat())) {
    cpSync(join(root, 'node_modules', peer), join(scratch, 'node_modules', peer), { recursive: true })
  }
}

/** Both module systems on one Node: every entry loads, an executor answers, the process ends by itself and silently. */
function checkNode(node: string): void {
  const version = run(node, ['--version']).trim()
  const use = `
    const answers = new QueuedExecutor(async (n) => n * 2, { concurrency: 2 })
    const answer = await answers.execute(21)
    await answers.close()
    if (answer !== 42) throw new Error('the answer was ' + answer)
    console.log(JSON.stringify(names))`

  const esm = runScript(node, 'entries.mjs', [
    ...entries.map((entry, i) => `import * as entry${i} from '${entry}'`),
    `import { QueuedExecutor } from '${manifest.name}'`,
    `const names = [${entries.map((_, i) => `Object.keys(entry${i}).sort()`).join(', ')}]`,
    use,
  ])
  fact(`Node ${version}, import: ${entries.join(', ')} load, an executor answers`)

  const cjs = runScript(node, 'entries.cjs', [
    `const entries = [${entries.map((entry) => `require('${entry}')`).join(', ')}]`,
    `const names = entries.map((entry) => Object.keys(entry).filter((name) => name !== '__esModule').sort())`,
    `const { QueuedExecutor } = entries[0]`,
    `;(async () => {${use}})()`,
  ])
  fact(`Node ${version}, require: ${entries.join(', ')} load, an executor answers`)

  expectSame(JSON.parse(cjs), JSON.parse(esm), 'names exported to require and to import')
  const empty = entries.filter((_, i) => JSON.parse(esm)[i].length === 0)
  expectSame(empty, [], 'entries that export nothing')

  for (const [file, load] of [
    ['asked.mjs', `await import('${manifest.name}')`],
    ['asked.cjs', `require('${manifest.name}')`],
  ] as const) {
    const hooks = file.endsWith('.mjs')
      ? `import { registerHooks } from 'node:module'`
      : `const { registerHooks } = require('node:module')`
    const asked: string[] = JSON.parse(
      runScript(node, file, [
        hooks,
        'const asked = new Set()',
        'registerHooks({ resolve(name, context, next) { asked.add(name); return next(name, context) } })',
        load,
        'console.log(JSON.stringify([...asked]))',
      ]),
    )
    // Recorded before they are resolved, so that a try of an optional peer would be seen as well.
    const packages = asked.filter((name) => !/^(\.|\/|file:|node:)/.test(name) && name !== manifest.name)
    expectSame(packages.sort(), Object.keys(manifest.dependencies).sort(), `packages asked for by ${load}`)
  }
  fact(
    `Node ${version}: loading ${manifest.name} asks for ${Object.keys(manifest.dependencies).join(', ')}; no peer, no zod`,
  )
}

/**
 * What an `await` that has nothing to do with us costs, before the first import and after much use. Promise hooks would make it
 * three to four times dearer (Node 22). The best of many rounds, and of a few processes: others may use the machine meanwhile.
 */
function checkAwaits(node: string): void {
  const ratios: number[] = []
  do {
    const answer = runScript(node, 'awaits.mjs', [
      `const N = 50_000`,
      'const rounds = async () => {',
      '  let best = Infinity',
      '  for (let round = 0; round < 40; round++) {',
      '    const began = performance.now()',
      '    for (let i = 0; i < N; i++) await undefined',
      '    best = Math.min(best, performance.now() - began)',
      '  }',
      '  return best',
      '}',
      'await rounds()',
      'const before = await rounds()',
      `const { QueuedExecutor } = await import('${manifest.name}')`,
      'const imported = await rounds()',
      'const queue = new QueuedExecutor(async (n) => { await undefined; return n }, { concurrency: 2 })',
      'for (let n = 0; n < 20_000; n++) await queue.execute(n)',
      'const used = await rounds()',
      'console.log(Math.max(imported, used) / before)',
    ])
    ratios.push(Number(answer))
  } while (Math.min(...ratios) > MAX_AWAIT_RATIO && ratios.length < 4)
  const ratio = Math.min(...ratios)
  const version = run(node, ['--version']).trim()
  if (!(ratio <= MAX_AWAIT_RATIO)) {
    throw new Error(`Node ${version}: with ${manifest.name} an unrelated await costs ${ratio.toFixed(2)} times as much`)
  }
  fact(`Node ${version}: an unrelated await costs ${ratio.toFixed(2)} times as much after import and use`)
}

/** Locked-down processes: frozen built-ins, no permissions but to read files, no code from strings. */
function checkRestrictedNode(): void {
  const lines = [
    `import { QueuedExecutor } from '${manifest.name}'`,
    'const answers = new QueuedExecutor(async (n) => n * 2, { concurrency: 2 })',
    'console.log(await answers.execute(21))',
    'await answers.close()',
  ]
  for (const flags of [
    ['--frozen-intrinsics'],
    ['--permission', '--allow-fs-read=*'],
    ['--disallow-code-generation-from-strings'],
    ['--frozen-intrinsics', '--permission', '--allow-fs-read=*', '--disallow-code-generation-from-strings'],
  ]) {
    const answer = runScript(process.execPath, 'restricted.mjs', lines, flags).trim()
    expectSame(answer, '42', `answer with ${flags.join(' ')}`)
    fact(`Node ${process.version} ${flags.join(' ')}: an executor answers`)
  }
}

/** TypeScript consumers, ESM and CJS, who check our declarations as well (`skipLibCheck: false`). */
function checkTypes(): void {
  for (const type of ['module', 'commonjs']) {
    const folder = join(scratch, `types-${type}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type }))
    const consumer = join(folder, 'consumer.ts')
    writeFileSync(
      consumer,
      [
        ...entries.map((entry, i) => `import * as entry${i} from '${entry}'`),
        `import { Priority, QueuedExecutor } from '${manifest.name}'`,
        `export const all = [${entries.map((_, i) => `entry${i}`).join(', ')}]`,
        'const lengths = new QueuedExecutor(async (text: string) => text.length, { concurrency: 2 })',
        `export const length: Promise<number> = lengths.execute('four', { priority: Priority.URGENT })`,
        `// @ts-expect-error: the request is a string, so the declarations were really read.`,
        'lengths.execute(4)',
      ].join('\n'),
    )
    // Whoever has no @types/node has the DOM's AbortSignal; whoever has it needs no DOM.
    compile(consumer, { types: [], lib: ['lib.esnext.d.ts', 'lib.dom.d.ts'] })
    fact(`TypeScript ${ts.version}, ${type} consumer without @types/node: strict, no skipLibCheck, no errors`)
    compile(consumer, {
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
      lib: ['lib.es2023.d.ts'],
    })
    fact(`TypeScript ${ts.version}, ${type} consumer with @types/node and no DOM: strict, no skipLibCheck, no errors`)
  }
}

function compile(file: string, options: ts.CompilerOptions): void {
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  })
  const diagnostics = ts.getPreEmitDiagnostics(program)
  if (diagnostics.length === 0) return
  const host = {
    getCurrentDirectory: () => scratch,
    getCanonicalFileName: (name: string) => name,
    getNewLine: () => '\n',
  }
  throw new Error(`a consumer does not compile:\n${ts.formatDiagnostics(diagnostics, host)}`)
}

function pathOfNode(name: string): string {
  const path = join(scratch, 'node_modules', name, 'bin', 'node')
  if (!existsSync(path)) throw new Error(`there is no ${path}`)
  return path
}

/** Runs a script of the scratch project. It must end by itself, with 0 and with nothing on stderr unless it has flags. */
function runScript(node: string, name: string, lines: string[], flags: string[] = []): string {
  const file = join(scratch, name)
  writeFileSync(file, lines.join('\n'))
  return run(node, [...flags, file], scratch, { silent: flags.length === 0, timeoutMs: 20_000 })
}

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !NOT_INHERITED.test(key)))
}

function run(command: string, args: string[], cwd = scratch, { silent = false, timeoutMs = 300_000 } = {}): string {
  const env = ownEnvironment()
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: timeoutMs,
  })
  const line = [command, ...args].join(' ')
  if (error !== undefined) {
    // An error of ETIMEDOUT is a process that did not end by itself: a timer or handle was left.
    throw new Error(`${line}: ${error.message}, after at most ${timeoutMs} ms`)
  }
  if (status !== 0) throw new Error(`${line} ended with ${status ?? signal}\n${stdout}${stderr}`)
  if (silent && stderr !== '') throw new Error(`${line} wrote to stderr:\n${stderr}`)
  return stdout
}

function writeJson(name: string, value: unknown): void {
  writeFileSync(join(scratch, name), JSON.stringify(value, null, 2))
}

function expectSame(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return
  throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`)
}

function fact(text: string): void {
  console.log(`ok: ${text}`)
}

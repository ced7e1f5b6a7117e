/**
 * The floors of `src/`, as a function: give it the files, get the broken rules as sentences.
 *
 * A file imports only from lower floors:
 *
 *     5  src/cli/**                                        the program, on all of them
 *     4  src/<subpath>/**                                  work on the executor handed to them
 *     3  src/index.ts                                      the public names
 *     2  src/core/{options,settings,effective-options,request-options,asked-elsewhere}.ts,
 *        src/core/{engine,plain-path,map,update,queued-executor,task-queue,executor-like}.ts
 *                                                          know the order of the stations
 *     1  src/core/{admit,queue,run,settle,watch,keep}/**   the stations
 *     0  src/core/*.ts                                     the words that all stations share
 *
 * On one floor, shared words may use each other, as may the files of floor 2; a station or a subpath keeps to
 * its own folder; one subpath may be built on others, which are named. `import type` obeys the same rules: a type is knowledge too.
 */
import ts from 'typescript'

const STATIONS = new Set(['admit', 'queue', 'run', 'settle', 'watch', 'keep'])
const EXECUTOR_FILES = new Set([
  'options.ts',
  'settings.ts',
  'effective-options.ts',
  'request-options.ts',
  'asked-elsewhere.ts',
  'engine.ts',
  'plain-path.ts',
  'map.ts',
  'update.ts',
  'queued-executor.ts',
  'task-queue.ts',
  'executor-like.ts',
])
/** A service speaks of errors and reads headers as `web` does, and has the metrics of `prometheus`; its page has the types of what it says. */
const BUILT_ON: { readonly [subpath: string]: readonly string[] } = {
  http: ['web', 'prometheus'],
  dashboard: ['http'],
}
const CORE_PACKAGES = new Set(['node:async_hooks', 'eventemitter3'])

/** @param files source text by path, relative to the repository and with `/`: `src/core/clock.ts` */
export function brokenFloors(files: ReadonlyMap<string, string>): string[] {
  const broken: string[] = []
  for (const [path, text] of files) {
    const place = placeOf(path)
    if (place === undefined) {
      broken.push(`${path} is on no floor`)
      continue
    }
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest)
    if (isMisplacedIndex(path) || (!isEntry(path) && isBarrel(source))) {
      broken.push(`${path} is a barrel file: import from the file that declares the name`)
    }
    for (const specifier of specifiersOf(source)) {
      const problem = problemOf(path, place, specifier, files)
      if (problem !== undefined) broken.push(`${path} imports ${specifier}: ${problem}`)
    }
  }
  return broken
}

interface Place {
  floor: 0 | 1 | 2 | 3 | 4 | 5
  /** What a file of the same floor must share to be imported: a station or subpath; nothing on the other floors. */
  folder: string
}

function placeOf(path: string): Place | undefined {
  const parts = path.split('/')
  const [root, first, second] = parts
  if (root !== 'src' || first === undefined) return undefined
  if (parts.length === 2) return first === 'index.ts' ? { floor: 3, folder: '' } : undefined
  if (first === 'cli') return { floor: 5, folder: first }
  if (first !== 'core') return { floor: 4, folder: first }
  if (second === undefined) return undefined
  if (parts.length === 3) return { floor: EXECUTOR_FILES.has(second) ? 2 : 0, folder: '' }
  return STATIONS.has(second) ? { floor: 1, folder: second } : undefined
}

function problemOf(
  path: string,
  from: Place,
  specifier: string,
  files: ReadonlyMap<string, string>,
): string | undefined {
  if (!specifier.startsWith('.')) {
    if (/^triage-queue(\/|$)/.test(specifier)) return 'inside the library, import the file by its relative path'
    if (from.floor <= 3 && !CORE_PACKAGES.has(specifier))
      return `the core may import only ${[...CORE_PACKAGES].join(', ')}`
    return undefined
  }

  const target = resolve(path, specifier)
  if (!files.has(target)) return 'there is no such file (write the .ts extension)'
  const to = placeOf(target)
  if (to === undefined) return undefined // Reported once, at the target itself.
  if (to.floor > from.floor) return `floor ${from.floor} may not look up to floor ${to.floor}`
  if (to.floor === from.floor && to.folder !== from.folder) {
    if (BUILT_ON[from.folder]?.includes(to.folder)) return undefined
    return from.floor === 1
      ? 'a station never imports another; declare a small interface of what it needs'
      : 'a subpath never imports another'
  }
  return undefined
}

/** @param specifier a relative one */
export function resolve(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** Everything that names another module: imports, re-exports, `import()`, `import('…')` in a type, `require()`. */
export function specifiersOf(source: ts.SourceFile): Set<string> {
  const found = new Set<string>()
  const add = (node: ts.Node | undefined) => {
    if (node !== undefined && ts.isStringLiteralLike(node)) found.add(node.text)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier)
    else if (ts.isExternalModuleReference(node)) add(node.expression)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal)
    else if (ts.isCallExpression(node)) {
      const { expression } = node
      const isImport = expression.kind === ts.SyntaxKind.ImportKeyword
      if (isImport || (ts.isIdentifier(expression) && expression.text === 'require')) add(node.arguments[0])
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** `src/index.ts` and `src/<subpath>/index.ts`: the files that a consumer can name. */
function isEntry(path: string): boolean {
  return /^src\/(?!core\/)([^/]+\/)?index\.ts$/.test(path)
}

function isMisplacedIndex(path: string): boolean {
  return path.endsWith('/index.ts') && !isEntry(path)
}

/** A file that declares nothing of its own and only passes on what others declare. */
function isBarrel(source: ts.SourceFile): boolean {
  const { statements } = source
  const passesOn = statements.some((statement) => ts.isExportDeclaration(statement))
  return passesOn && statements.every((it) => ts.isExportDeclaration(it) || ts.isImportDeclaration(it))
}

/**
 * The circles of imports: give it the files, get one path for each circle, from its first file back to it.
 *
 * `import type` counts: who reads one of the files has to read them all.
 */
import ts from 'typescript'
import { resolve, specifiersOf } from './floors.ts'

/**
 * @param files source text by path, relative to the repository and with `/`
 * @param wholes files whose parts may know their type
 */
export function circles(files: ReadonlyMap<string, string>, wholes: readonly string[] = []): string[] {
  const imports = new Map([...files].map(([path, text]) => [path, importsOf(path, text, files, wholes)]))
  return groups(imports).map((group) => [...way(group, imports)].join(' > '))
}

function importsOf(
  path: string,
  text: string,
  files: ReadonlyMap<string, string>,
  wholes: readonly string[],
): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest)
  const targets = new Set<string>()
  for (const specifier of specifiersOf(source)) {
    const target = resolve(path, specifier)
    if (!specifier.startsWith('.') || !files.has(target)) continue
    if (!wholes.includes(target) || !isOfTypes(source, specifier)) targets.add(target)
  }
  return [...targets].sort()
}

/** Is it named by `import type` alone? */
function isOfTypes({ statements }: ts.SourceFile, specifier: string): boolean {
  const named = statements.filter(
    (it) =>
      (ts.isImportDeclaration(it) || ts.isExportDeclaration(it)) &&
      it.moduleSpecifier !== undefined &&
      ts.isStringLiteral(it.moduleSpecifier) &&
      it.moduleSpecifier.text === specifier,
  )
  const isOne = (it: ts.Statement): boolean => ts.isImportDeclaration(it) && it.importClause?.isTypeOnly === true
  return named.length > 0 && named.every(isOne)
}

type Imports = ReadonlyMap<string, readonly string[]>

/** The files that reach each other, in groups; a file alone is one if it imports itself. */
function groups(imports: Imports): Set<string>[] {
  const reached = new Map([...imports.keys()].map((path) => [path, reachedFrom(path, imports)]))
  const found: Set<string>[] = []
  const seen = new Set<string>()
  for (const path of [...imports.keys()].sort()) {
    if (seen.has(path) || !reached.get(path)?.has(path)) continue
    const group = new Set([...(reached.get(path) ?? [])].filter((other) => reached.get(other)?.has(path)))
    for (const member of group) seen.add(member)
    found.push(group)
  }
  return found
}

function reachedFrom(path: string, imports: Imports): Set<string> {
  const reached = new Set<string>()
  const open = [...(imports.get(path) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    open.push(...(imports.get(next) ?? []))
  }
  return reached
}

/** The shortest way through the group from its first file back to it. */
function way(group: ReadonlySet<string>, imports: Imports): string[] {
  const [first = ''] = [...group].sort()
  const ways = [[first]]
  for (const soFar of ways) {
    for (const next of imports.get(soFar.at(-1) as string) ?? []) {
      if (next === first) return [...soFar, first]
      if (group.has(next) && !ways.some((other) => other.at(-1) === next)) ways.push([...soFar, next])
    }
  }
  return []
}

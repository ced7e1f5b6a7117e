/** Whatever a public type lets out may also be undefined: `{ priority: header ? 'high' : undefined }` compiles for everyone. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))
const parse = (path: string) => ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)

/** Files by the names that an entry exports from them. */
function exportsOf(entry: string): [file: string, name: string][] {
  return parse(entry).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) return []
    const { text } = statement.moduleSpecifier as ts.StringLiteral
    const { elements } = statement.exportClause as ts.NamedExports
    return elements.map(({ name, propertyName }): [string, string] => [
      join(dirname(entry), text),
      (propertyName ?? name).text,
    ])
  })
}

/** The optional members of a declaration that may not be undefined. */
function lacking(declaration: ts.Node): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const isOptional = (ts.isPropertySignature(node) || ts.isMappedTypeNode(node)) && node.questionToken !== undefined
    if (isOptional && !/^unknown$|\bundefined$/.test(node.type?.getText() ?? '')) found.push(node.getText())
    ts.forEachChild(node, visit)
  }
  visit(declaration)
  return found
}

/** The types that a file declares. */
function typesOf(file: string) {
  const isType = (node: ts.Node) => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)
  return parse(file).statements.filter(isType)
}

const folders = readdirSync(src, { withFileTypes: true }).filter(
  (entry) => entry.isDirectory() && !['core', 'dashboard', 'cli'].includes(entry.name),
)
const entries = ['index.ts', ...folders.map(({ name }) => `${name}/index.ts`)]

/** What is handed out, not handed in. */
const answers = new Set(['ExecutorHistograms'])

test.each(entries)('%s: what is optional may be undefined', (entry) => {
  for (const [file, name] of exportsOf(join(src, entry))) {
    const declaration = typesOf(file).find((type) => type.name.text === name)
    if (declaration !== undefined && !answers.has(name)) expect([name, lacking(declaration)]).toEqual([name, []])
  }
})

test('the rule itself finds a property, a nested one and a mapped one', () => {
  const text = `interface A { a?: number; b?: number | undefined; c?: { d?: string } | undefined; e: { [K in 'x']?: 1 } }`
  expect(lacking(ts.createSourceFile('a.ts', text, ts.ScriptTarget.Latest, true))).toEqual([
    'a?: number;',
    'd?: string',
    "{ [K in 'x']?: 1 }",
  ])
})

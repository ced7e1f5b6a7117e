/**
 * Which functions are the user's, by the public types? Read from the sources, so that a new one is not forgotten.
 */
import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'

const src = new URL('../../src/', import.meta.url)

/** All members of public interfaces, and parameters of public functions, that are functions: `'Guard.admit'`. */
export function publicFunctions(): string[] {
  const names = publicNames()
  const files = sources()
  const functionTypes = new Set(
    files.flatMap((file) => file.statements.filter(isFunctionType).map(({ name }) => name.text)),
  )
  const found: string[] = []
  for (const statement of files.flatMap((file) => [...file.statements])) {
    const name = nameOf(statement)
    if (name === undefined || !names.has(name)) continue
    for (const member of membersOf(statement)) {
      if (isFunction(member, functionTypes)) found.push(`${name}.${member.name.getText().replaceAll("'", '')}`)
    }
  }
  return [...new Set(found)].sort()
}

/** The members of one interface. */
export function membersOfInterface(name: string): string[] {
  const declarations = sources().flatMap((file) => file.statements.filter((each) => nameOf(each) === name))
  return declarations.flatMap((declaration) => membersOf(declaration).map((member) => member.name.getText()))
}

function sources(): ts.SourceFile[] {
  const files = readdirSync(new URL('core/', src), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )
  return files.map((path) => {
    const text = readFileSync(new URL(`core/${path}`, src), 'utf8')
    return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  })
}

function publicNames(): Set<string> {
  const index = readFileSync(new URL('index.ts', src), 'utf8')
  const file = ts.createSourceFile('index.ts', index, ts.ScriptTarget.Latest, true)
  const clauses = file.statements.filter(ts.isExportDeclaration).map(({ exportClause }) => exportClause)
  return new Set(
    clauses
      .flatMap((clause) => (clause && ts.isNamedExports(clause) ? clause.elements : []))
      .map(({ name }) => name.text),
  )
}

function nameOf(statement: ts.Statement): string | undefined {
  return ts.isInterfaceDeclaration(statement) || ts.isFunctionDeclaration(statement) ? statement.name?.text : undefined
}

type Member = ts.NamedDeclaration & { readonly name: ts.Node; readonly type?: ts.TypeNode }

function membersOf(statement: ts.Statement): Member[] {
  if (ts.isInterfaceDeclaration(statement))
    return statement.members.filter((member) => member.name !== undefined) as Member[]
  return ts.isFunctionDeclaration(statement) ? ([...statement.parameters] as Member[]) : []
}

function isFunctionType(statement: ts.Statement): statement is ts.TypeAliasDeclaration {
  return ts.isTypeAliasDeclaration(statement) && ts.isFunctionTypeNode(statement.type)
}

/** A method, a function, or something that may be one. */
function isFunction(member: Member, functionTypes: ReadonlySet<string>): boolean {
  if (ts.isMethodSignature(member)) return true
  const isOne = (node: ts.Node): boolean =>
    ts.isFunctionTypeNode(node) ||
    (ts.isTypeReferenceNode(node) && functionTypes.has(node.typeName.getText())) ||
    (ts.forEachChild(node, (child) => isOne(child) || undefined) ?? false)
  return member.type !== undefined && isOne(member.type)
}

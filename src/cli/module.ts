/**
 * What is in the user's module? A function, an object with one, or an executor that is made already.
 */
import { existsSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hasMethods, isFunction, isPlain } from '../core/checks.ts'
import type { Executor, QueuedExecutor, QueuedExecutorOptions } from '../index.ts'
import { cannot } from './fault.ts'
import { whyNotLoaded } from './not-loaded.ts'

/** What it is, and what it is called: the file's name, unless it says another. */
export type Loaded =
  | {
      readonly kind: 'function'
      readonly name: string
      readonly executor: Executor<unknown, unknown>
      readonly options: QueuedExecutorOptions
      /** The export is the function itself. */
      readonly isPlain: boolean
      readonly exportName: string
      readonly example: unknown
    }
  | { readonly kind: 'executor'; readonly name: string; readonly made: QueuedExecutor; readonly example: unknown }

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])

/**
 * @param spec the file, and perhaps the name of an export: `'./work.mjs#resize'`
 * @throws {Fault} 3 for what is not there, can't be loaded, or is nothing that can be called
 */
export async function loadModule(spec: string): Promise<Loaded> {
  const { file, name } = splitSpec(spec)
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile()) throw cannot(`There is no file ${file}`)
  if (TYPESCRIPT.has(extname(path))) requireTypeScript(file, path)
  let all: Record<string, unknown>
  try {
    all = (await import(pathToFileURL(path).href)) as Record<string, unknown>
  } catch (error) {
    throw cannot(`${file} can't be loaded: ${whyNotLoaded(error, path)}`)
  }
  const [exportName, value] = exported(all, file, name)
  return partOf(value, file, name ?? basename(path, extname(path)), exportName)
}

/** `'./work.mjs#resize'` */
export function splitSpec(spec: string): { readonly file: string; readonly name: string | undefined } {
  const at = spec.lastIndexOf('#')
  return at < 0 ? { file: spec, name: undefined } : { file: spec.slice(0, at), name: spec.slice(at + 1) }
}

function requireTypeScript(file: string, path: string): void {
  if (/[\\/]node_modules[\\/]/.test(path)) {
    throw cannot(`${file} is TypeScript below node_modules, where Node strips no types: compile it to JavaScript`)
  }
  const { typescript } = process.features as { typescript?: unknown }
  if (typescript === 'strip' || typescript === 'transform') return
  throw cannot(
    `${file} is TypeScript, which Node ${process.versions.node} does not run: use Node 22.18 or later, or compile it to JavaScript`,
  )
}

/** The export that was named; else the default; else the only one that will do. */
function exported(all: Record<string, unknown>, file: string, name: string | undefined): [string, unknown] {
  const names = Object.keys(all)
    .filter((each) => each !== 'module.exports')
    .sort()
  if (name !== undefined) {
    if (name in all) return [name, all[name]]
    throw cannot(`${file} exports no '${name}': it has ${names.join(', ') || 'no exports'}`)
  }
  if ('default' in all) return ['default', all.default]
  const fitting = names.filter((each) => isServable(all[each]))
  const [only] = fitting
  if (only !== undefined && fitting.length === 1) return [only, all[only]]
  const why =
    fitting.length === 0 ? 'exports no function' : `exports several functions: name one, ${file}#${fitting[0]}`
  throw cannot(`${file} ${why}`)
}

function isServable(value: unknown): boolean {
  return isFunction(value) || isExecutor(value) || (isPlain(value) && isFunction(value.executor))
}

function isExecutor(value: unknown): value is QueuedExecutor {
  return hasMethods(value, 'submit', 'get', 'cancel', 'getStatus', 'close', 'on', 'off')
}

function partOf(value: unknown, file: string, name: string, exportName: string): Loaded {
  if (isExecutor(value)) return { kind: 'executor', name: value.name, made: value, example: undefined }
  if (isFunction(value))
    return {
      kind: 'function',
      name,
      executor: value as Executor<unknown, unknown>,
      options: {},
      isPlain: true,
      exportName,
      example: undefined,
    }
  if (isPlain(value) && isFunction(value.executor)) {
    const { executor, options = {}, schema, example } = value
    if (!isPlain(options)) throw cannot(`${file}: expected an object as 'options'`)
    const whole = { ...options, ...(schema !== undefined && { schema }) } as QueuedExecutorOptions
    return {
      kind: 'function',
      name: whole.name ?? name,
      executor: executor as Executor<unknown, unknown>,
      options: whole,
      ...{ isPlain: false, exportName },
      example,
    }
  }
  throw cannot(
    `${file} exports ${value === null ? 'null' : typeof value}: expected a function, { executor, options, schema } or a QueuedExecutor`,
  )
}

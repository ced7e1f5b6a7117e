/**
 * Why can't a module be loaded? In one line; of a syntax error with its file and line, and with the reason where it is read as CommonJS.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from './fault.ts'

interface Place {
  readonly file: string
  readonly line: string
}

/** @param path the module that was to be loaded */
export function whyNotLoaded(error: unknown, path: string): string {
  const message = messageOf(error)
  if (!(error instanceof SyntaxError)) return message
  const place = placeIn(error.stack ?? '') ?? placeIn(checked(path))
  if (place === undefined) return message
  return (
    (isOfModules.test(message) ? asCommonJs(place.file) : undefined) ?? `${message} (${near(place.file)}:${place.line})`
  )
}

const isOfModules = /^(Unexpected token 'export'|Cannot use import statement outside a module)/

/** Where Node shows it, that is the first line: `file:///srv/work.mjs:3`. */
function placeIn(text: string): Place | undefined {
  const [, file, line] = /^((?:file:\/\/|\/|[A-Za-z]:\\).+):(\d+)\r?\n/.exec(text) ?? []
  if (file === undefined || line === undefined) return undefined
  return { file: file.startsWith('file:') ? fileURLToPath(file) : file, line }
}

/** Of an ES module the place is shown only when nobody catches the error. What is checked is not run. */
function checked(path: string): string {
  return spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 10_000 }).stderr ?? ''
}

function asCommonJs(file: string): string | undefined {
  const ending = extname(file)
  const module = basename(file, ending) + (ending.endsWith('ts') ? '.mts' : '.mjs')
  if (/^\.c[jt]s$/.test(ending))
    return `${near(file)} is CommonJS by its name, and has import or export: call it ${module}`
  const manifest = manifestOf(dirname(file))
  if (manifest === undefined) return undefined
  return `${near(file)} is CommonJS, as ${near(manifest)} has no "type": "module", and it has import or export: call it ${module}, or set "type": "module"`
}

/** The nearest package.json. */
function manifestOf(folder: string): string | undefined {
  const manifest = join(folder, 'package.json')
  if (existsSync(manifest)) return manifest
  const parent = dirname(folder)
  return parent === folder ? undefined : manifestOf(parent)
}

/** From here, unless it is elsewhere. */
function near(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}

/**
 * Where does the value of an option come from? The flag, else the environment (`TRIAGE_CLI_…`), else the file (`--config`), else the
 * default. All are read in the same way, and all are looked at before anything is done.
 */
import { isPlain } from '../core/checks.ts'
import { environment } from '../core/environment.ts'
import { type Command, type Flag, type Flags, longName, type Values, variableOf } from './command.ts'
import { messageOf, usage } from './fault.ts'
import { textIn } from './file.ts'
import { Misread } from './parse.ts'

/** What the parser found on the command line: texts, and true for switches. */
export type Given = { readonly [name: string]: unknown }

export interface ReadValues {
  readonly values: Values<Flags>
  readonly said: ReadonlySet<string>
}

/** @throws {Fault} that says where the value comes from, what it must be, and what it is */
export function readValues(command: Command, path: string, given: Given): ReadValues {
  const file = readConfig(command, path, given)
  const values: Record<string, unknown> = {}
  const said = new Set<string>()
  for (const [name, flag] of Object.entries(command.flags)) {
    const [value, where] = found(name, flag, given, file)
    if (value === undefined) {
      values[name] = flag.default
      continue
    }
    said.add(name)
    values[name] = read(flag, value, where)
  }
  return { values: values as Values<Flags>, said }
}

function found(name: string, flag: Flag<unknown>, given: Given, file: ConfigFile | undefined): [unknown, string] {
  if (given[name] !== undefined) return [given[name], `--${longName(flag)}`]
  if (flag.isLocal === true) return [undefined, '']
  const variable = variableOf(flag)
  // Set and empty is as good as not set: so can a value of the environment be taken back.
  const set = environment(variable)
  if (set !== undefined && set !== '') return [set, variable]
  const name_ = longName(flag)
  return [file?.settings[name_], `${file?.path}: ${name_}`]
}

function read(flag: Flag<unknown>, value: unknown, where: string): unknown {
  const texts = Array.isArray(value) ? value : [value]
  if (flag.parse === undefined) return readSwitch(texts[0], where)
  const { parse } = flag
  const all = texts.map((text) => readOne(parse, text, where))
  return flag.isMany === true ? all.flat() : all.at(-1)
}

function readOne(parse: (text: string) => unknown, value: unknown, where: string): unknown {
  // In a file a number may stand as a number, and anything as what it is in JSON.
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof Misread)) throw error
    throw usage(`${where}: expected ${error.expected}, got ${JSON.stringify(text)}`)
  }
}

function readSwitch(value: unknown, where: string): boolean {
  if (value === true || value === '1' || value === 'true' || value === 'yes') return true
  if (value === false || value === '0' || value === 'false' || value === 'no') return false
  throw usage(`${where}: expected true or false, got ${JSON.stringify(value)}`)
}

interface ConfigFile {
  readonly path: string
  readonly settings: { readonly [name: string]: unknown }
}

/** `{ "serve": { "workers": 8 } }`: the options of each command by their long names. */
function readConfig(command: Command, path: string, given: Given): ConfigFile | undefined {
  const file = (given.config as string | undefined) ?? environment('TRIAGE_CLI_CONFIG')
  if (file === undefined || file === '') return undefined
  const whole = parsed(file)
  let settings: unknown = whole
  for (const word of path.split(' ')) settings = isPlain(settings) ? settings[word] : undefined
  if (settings === undefined) return { path: file, settings: {} }
  if (!isPlain(settings)) throw usage(`${file}: expected an object as "${path}"`)
  const known = Object.values(command.flags)
    .filter((flag) => flag.isLocal !== true)
    .map(longName)
  const unknown = Object.keys(settings).find((name) => !known.includes(name))
  if (unknown === undefined) return { path: file, settings }
  throw usage(`${file}: "${unknown}" is no option of ${path}: it has ${known.join(', ')}`)
}

function parsed(file: string): unknown {
  const content = textIn(file, '--config')
  try {
    return JSON.parse(content) as unknown
  } catch (error) {
    throw usage(`${file}: expected JSON: ${messageOf(error)}`)
  }
}

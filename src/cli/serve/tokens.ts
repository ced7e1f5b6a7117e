/**
 * Who may do what? The tokens of a service: from a file, from the environment, or one that is made for this run.
 */
import { randomBytes } from 'node:crypto'
import { environment } from '../../core/environment.ts'
import type { Level, Token } from '../../http/index.ts'
import { usage } from '../fault.ts'
import { textIn } from '../file.ts'
import { shellWord } from '../words.ts'

export interface Tokens {
  readonly tokens: readonly Token[]
  /** What stands in a line of curl: a shell reads the token from where it is. */
  readonly inShell: string
  /** The one that was made for this run. */
  readonly made: string | undefined
}

const levels: readonly string[] = ['viewer', 'submitter', 'operator', 'admin'] satisfies Level[]
const fits = (token: string): boolean => /^[\x21-\x7e]{16,}$/.test(token)

/** @throws {Fault} */
export function readTokens(file: string | undefined): Tokens {
  if (file !== undefined) return fromFile(file)
  const token = environment('TRIAGE_CLI_TOKEN')
  if (token !== undefined && token !== '') {
    if (!fits(token)) throw usage('TRIAGE_CLI_TOKEN: expected at least 16 visible characters without spaces')
    return { tokens: [{ name: 'cli', level: 'admin', token }], inShell: '$TRIAGE_CLI_TOKEN', made: undefined }
  }
  const made = randomBytes(24).toString('base64url')
  return { tokens: [{ name: 'cli', level: 'admin', token: made }], inShell: made, made }
}

/** A token alone, or a line for each: `NAME LEVEL TOKEN`. */
function fromFile(file: string): Tokens {
  const content = textIn(file, '--token-file')
  const lines = content
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const tokens = lines.map((line, index) => tokenOf(line, file, index))
  if (tokens.length === 0) throw usage(`${file} has no token: write one with openssl rand -hex 32 > ${shellWord(file)}`)
  const can = tokens.findIndex(({ level }) => level !== 'viewer')
  const word = `$(grep -v '^#' ${shellWord(file)} | awk 'NF { print $NF }' | sed -n ${Math.max(can, 0) + 1}p)`
  return {
    tokens,
    inShell: tokens.length === 1 && lines[0] === content.trim() ? simple(lines[0], file, word) : word,
    made: undefined,
  }
}

function simple(line: string, file: string, otherwise: string): string {
  return line.includes(' ') ? otherwise : `$(cat ${shellWord(file)})`
}

function tokenOf(line: string, file: string, index: number): Token {
  const words = line.split(/\s+/)
  const [name = 'cli', level = 'admin', token = ''] = words.length === 1 ? ['cli', 'admin', words[0]] : words
  if (words.length !== 1 && (words.length !== 3 || !levels.includes(level) || !/^[\w.@-]{1,64}$/.test(name))) {
    throw usage(
      `${file}, line ${index + 1}: expected a token alone, or NAME LEVEL TOKEN with a level of ${levels.join(', ')}`,
    )
  }
  if (!fits(token)) throw usage(`${file}, line ${index + 1}: expected a token of at least 16 visible characters`)
  return { name, level: level as Level, token }
}

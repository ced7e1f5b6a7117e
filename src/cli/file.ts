/**
 * A file that the command line names, as text.
 */
import { readFileSync } from 'node:fs'
import { cannot, codeOf, messageOf } from './fault.ts'

/** @param option that named it: `--config` @throws {Fault} */
export function textIn(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw cannot(codeOf(error) === 'ENOENT' ? `There is no file ${file} (${option})` : messageOf(error))
  }
}

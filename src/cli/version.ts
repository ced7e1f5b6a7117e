/**
 * Which version is it? What `package.json` says, which lies two floors up from here, in the sources and in what is built.
 */
import { readFileSync } from 'node:fs'

export function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

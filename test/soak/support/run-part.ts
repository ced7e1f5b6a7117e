/**
 * Runs a part of the soak in a Node of its own, with the flags that it needs, and answers with its report.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Reports } from './report.ts'

export type Part = keyof Reports

const program = fileURLToPath(new URL('./part.ts', import.meta.url))
const fromSource = new URL('../../support/from-source.ts', import.meta.url).href

const flags: { readonly [P in Part]: string } = {
  mixed: '--expose-gc',
  narrow: '--max-old-space-size=64',
  collected: '--expose-gc',
  store: '--expose-gc',
}

export interface RunOptions {
  /** Told how many requests are done. */
  readonly progress?: (requests: number) => void
  /** It leaks on purpose. */
  readonly leaks?: boolean
}

/** Rejects with the part's own words when it fails. */
export async function runPart<P extends Part>(
  part: P,
  requests: number,
  { progress = () => {}, leaks = false }: RunOptions = {},
): Promise<Reports[P]> {
  const leak = leaks ? ['leak'] : []
  const args = [flags[part], '--import', fromSource, program, part, `${requests}`, ...leak]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<string>((resolve) => child.on('close', (code, signal) => resolve(`${signal ?? code}`)))
  const complaint = text(child.stderr)
  let report: Reports[P] | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    // Of a process that dies, other lines too.
    if (!line.startsWith('{')) continue
    const said = JSON.parse(line) as { done: number; report?: Reports[P] }
    if (said.report === undefined) progress(said.done)
    else report = said.report
  }
  const end = await ended
  if (end !== '0' || report === undefined) throw new Error(`'${part}' ended with ${end}: ${await complaint}`)
  return report
}

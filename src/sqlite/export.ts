/**
 * All records as lines of JSON, for whoever wants them elsewhere.
 */
import { Buffer } from 'node:buffer'
import type { Bytes } from '../core/keep/codec.ts'
import type { StoredView } from '../core/store.ts'
import { bytesOf } from './codec.ts'

type Table = 'live' | 'ended' | 'dead'

export async function* exportLines(
  page: (table: Table, after: number) => Promise<readonly StoredView[]>,
): AsyncIterable<string> {
  for (const table of ['live', 'ended', 'dead'] as const) {
    let after = 0
    for (;;) {
      const views = await page(table, after)
      for (const view of views) yield lineOf(view)
      const last = views.at(-1)
      if (last === undefined) break
      after = last.generation
    }
  }
}

function lineOf({ payload, result, metadata, ...view }: StoredView): string {
  return JSON.stringify({
    v: 1,
    ...view,
    payload: readable(bytesOf(payload)),
    result: readable(bytesOf(result)),
    metadata: readable(bytesOf(metadata)),
  })
}

function readable(encoded: Bytes | undefined): unknown {
  if (encoded === undefined || encoded === '') return undefined
  if (typeof encoded !== 'string') return { base64: Buffer.from(encoded).toString('base64') }
  try {
    return JSON.parse(encoded)
  } catch {
    // Of a letter that is corrupt.
    return { text: encoded }
  }
}

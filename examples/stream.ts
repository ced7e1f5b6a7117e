/**
 * How do I put a long stream through a slow function, without reading it all into memory? With `map`.
 *
 *     node examples/stream.ts
 */
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
// In your project: from 'triage-queue'
import { QueuedExecutor } from '../src/index.ts'

const LINES = 2_000

/** A large file, a cursor, a message feed: anything that can be iterated. */
let read = 0
const file = Readable.from(
  (function* () {
    while (read < LINES) yield `line ${++read}\n`
  })(),
  { highWaterMark: 1 },
)
// Line by line, as they are wanted. (`for await` on readline itself reads ahead.)
async function* lines(): AsyncGenerator<string> {
  for await (const line of file) yield String(line).trim()
}

const enrich = new QueuedExecutor(
  async (line: string) => {
    await sleep(1)
    return line.toUpperCase()
  },
  { concurrency: 20 },
)

let written = 0
let mostAhead = 0
for await (const line of enrich.map(lines(), { priority: 'low', window: 50 })) {
  written++
  mostAhead = Math.max(mostAhead, read - written)
  if (written % 500 === 0) console.log(`${line}: ${written} written, ${read - written} on their way`)
}
console.log(`all ${written} lines, in order; at most ${mostAhead} read ahead of the writer`)
await enrich.close()

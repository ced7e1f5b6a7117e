/**
 * What does the user want? The command line, and what is wrong with it.
 */
import { parseArgs } from 'node:util'
import { type ByPriority, priorities } from '../../src/index.ts'
import { DEADLINE_MS, MIX } from './load.ts'

/** Something that the user gave is wrong: said in one line, exit code 2. */
export class InputError extends Error {}

export const HELP = `Sends a real HTTP service several times its capacity: first directly, then through QueuedExecutor.

  npm run demo                                 made-up load, most of which can wait
  npm run demo -- a.csv b.csv --speed 60       production arrivals, from files of TIMESTAMP,ContextTokens,GeneratedTokens

One tier for each file, the first is the most urgent: one file → NORMAL; two → HIGH, NORMAL; three → URGENT, HIGH,
NORMAL; four → URGENT, HIGH, NORMAL, LOW. A request's work is in proportion to 0.25 ms for each context token and 20 ms
for each generated one, scaled so that the whole replay asks for --load times what the service was measured to do.

  --load N          how many times the service's capacity is sent, at the mean   (3; for a replay 2)
  --seconds N       how long each way sends                                      (8; for a replay the whole of it)
  --mix U,H,N,L     the parts of URGENT, HIGH, NORMAL and LOW                    (5,10,15,70; a replay has its own)
  --seed N          another seed draws another made-up load                      (1)
  --concurrency N   how many requests the queued way lets into the service       (2)
  --speed N         replay N times as fast as it was                             (60)
  --limit N         replay only the first N requests
  --db FILE         the queued way keeps its requests in this SQLite file: one that waits is on disk before its caller
                    is told, and what a killed run has left is done by the next one
  --json            the results as JSON; the progress goes to stderr
  --help            this text

Both ways send the same requests at the same times with the same client and the same deadlines: URGENT ${DEADLINE_MS.urgent} ms,
HIGH ${DEADLINE_MS.high} ms, NORMAL ${DEADLINE_MS.normal} ms, LOW ${DEADLINE_MS.low} ms. In time: answered within the deadline. Late: answered
after it, or given up at it while the service worked on it. Refused: never reached the service; the code says why.

With less than about 5 seconds the flood is over before LOW has given up, and the service can still answer it afterwards:
then the direct way may answer more in all. A queue that refuses early is for overload that lasts.

Exit code: 0; 1 when something broke or a total does not add up; 2 for a wrong flag or file; 130 after Ctrl-C.
`

export interface DemoArguments {
  readonly files: readonly string[]
  readonly load: number
  /** Undefined: the whole of a replay. */
  readonly seconds: number | undefined
  readonly mix: ByPriority<number>
  readonly seed: number
  readonly concurrency: number
  readonly speed: number
  readonly limit: number
  /** Undefined: in memory. */
  readonly db: string | undefined
  readonly json: boolean
  readonly help: boolean
}

/** @throws {InputError} */
export function readArguments(argv: readonly string[]): DemoArguments {
  const { values, positionals: files } = parse(argv)
  const isReplay = files.length > 0
  if (files.length > 4) throw new InputError(`at most four files, one for each tier, but there are ${files.length}`)
  for (const flag of ['speed', 'limit'] as const) {
    if (!isReplay && values[flag] !== undefined) throw new InputError(`--${flag} needs a file to replay`)
  }
  if (isReplay && values.mix !== undefined) throw new InputError('--mix is for the made-up load: a replay has its own')
  return {
    files,
    load: number('load', values.load, 0.01, 50) ?? (isReplay ? 2 : 3),
    seconds: number('seconds', values.seconds, 0.1, 86_400) ?? (isReplay ? undefined : 8),
    mix: mixOf(values.mix) ?? MIX,
    seed: integer('seed', values.seed, 0, 2 ** 32 - 1) ?? 1,
    concurrency: integer('concurrency', values.concurrency, 1, 10_000) ?? 2,
    speed: number('speed', values.speed, 0.001, 1_000_000) ?? 60,
    limit: integer('limit', values.limit, 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY,
    db: values.db,
    json: values.json ?? false,
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        load: { type: 'string' },
        seconds: { type: 'string' },
        mix: { type: 'string' },
        seed: { type: 'string' },
        concurrency: { type: 'string' },
        speed: { type: 'string' },
        limit: { type: 'string' },
        db: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    // Node's own text goes on to explain `--`; its first sentence is what the user needs.
    const [sentence] = (error as Error).message.split(/\. |\n/)
    throw new InputError(sentence)
  }
}

function number(flag: string, text: string | undefined, from: number, to: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && value >= from && value <= to) return value
  throw new InputError(`--${flag} must be a number from ${from} to ${to}, but is '${text}'`)
}

function integer(flag: string, text: string | undefined, from: number, to: number): number | undefined {
  const value = number(flag, text, from, to)
  if (value === undefined || Number.isInteger(value)) return value
  throw new InputError(`--${flag} must be an integer, but is '${text}'`)
}

function mixOf(text: string | undefined): ByPriority<number> | undefined {
  if (text === undefined) return undefined
  const parts = text.split(',').map((part) => (/^\d{1,6}(\.\d+)?$/.test(part.trim()) ? Number(part) : Number.NaN))
  const [urgent, high, normal, low] = parts as [number, number, number, number]
  if (parts.length === priorities.length && urgent + high + normal + low > 0) return { urgent, high, normal, low }
  throw new InputError(`--mix must be four numbers, such as '10,20,40,30', but is '${text}'`)
}

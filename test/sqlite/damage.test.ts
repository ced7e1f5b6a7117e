/**
 * Recovery is a function of the files. Here each file is cut at each byte, and has a bit turned at each byte: what is altered is
 * never run, nothing is there twice, and what is lost is reported.
 *
 * All bytes take some minutes: `DAMAGE=all npx vitest run test/sqlite/damage.test.ts`. Otherwise it is a sample, another one each
 * day.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nodeDatabase, type OpenDatabase } from '../../src/sqlite/database.ts'
import { Fault } from '../../src/sqlite/fault.ts'
import { seeded } from '../support/seeded.ts'
import {
  admit,
  attemptEnded,
  begin,
  change,
  end,
  fail,
  openEngine,
  recover,
  temporaryFolder,
} from './support/engine.ts'

interface Sample {
  /** By name: `''` is the store itself. */
  readonly files: ReadonlyMap<string, Buffer>
  readonly live: ReadonlyMap<number, string>
  /** By id. */
  readonly results: ReadonlyMap<string, string>
  readonly dead: ReadonlySet<string>
  readonly commits: number
}

const payloadOf = (seq: number) => JSON.stringify({ seq, text: `payload ${seq} `.repeat(10) })

/** A store as a killed process leaves it: some of it in the file, some in the `-wal`. */
function makeSample(): Sample {
  const folder = temporaryFolder()
  const path = join(folder, 'a.db')
  const engine = openEngine(path)
  const commits = [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((seq) => [admit(seq, { payload: payloadOf(seq) })]),
    [begin(1), begin(2), begin(3)],
    [end(1), attemptEnded(2)],
  ]
  for (const operations of commits) engine.commit(operations)
  while (engine.tidy());
  const later = [
    ...[9, 10, 11, 12].map((seq) => [admit(seq, { payload: payloadOf(seq) })]),
    [begin(4), begin(5), change(6, 0)],
    [end(4), fail(5)],
    [admit(13, { payload: payloadOf(13) })],
  ]
  for (const operations of later) engine.commit(operations)
  const files = new Map(['', '-wal', '.mark'].map((name) => [name, readFileSync(path + name)]))
  engine.abandon()
  const gone = [1, 4, 5]
  const live = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].filter((seq) => !gone.includes(seq))
  return {
    ...{ files, live: new Map(live.map((seq) => [seq, payloadOf(seq)])) },
    results: new Map([1, 4].map((seq) => [`id${seq}`, JSON.stringify(`answer ${seq}`)])),
    ...{ dead: new Set(['id5']), commits: commits.length + later.length },
  }
}

function lay(folder: string, sample: Sample, changed: string, bytes: Buffer): string {
  const path = join(folder, 'a.db')
  for (const [name, content] of sample.files) writeFileSync(path + name, name === changed ? bytes : content)
  return path
}

/** Opens what is there, and says what is wrong with it; undefined: all is as promised. */
function judge(path: string, sample: Sample, untouched: string, bytes: Buffer): string | undefined {
  let engine: ReturnType<typeof openEngine>
  try {
    engine = openEngine(path)
  } catch (error) {
    if (!(error instanceof Fault)) return `it throws ${error}`
    const { kind } = error.report
    if (kind !== 'corrupt' && kind !== 'too-new' && kind !== 'options') return `it says ${kind}: ${error.message}`
    for (const [name, content] of sample.files) {
      const expected = name === untouched ? bytes : content
      if (!existsSync(path + name) || !readFileSync(path + name).equals(expected)) return `'${name}' was touched`
    }
    return undefined
  }
  try {
    const { damage, warnings } = engine.report
    const isReported = damage.length > 0
    const records = recover(engine)
    const seen = new Set<string>()
    for (const { seq, id, payload } of records) {
      if (seen.has(id)) return `'${id}' is there twice`
      seen.add(id)
      const was = sample.live.get(seq) ?? payloadOf(seq)
      if (payload !== was || id !== `id${seq}`) return `the payload of ${seq} is altered`
    }
    const { records: kept } = engine.ask({ what: 'list', queue: undefined, query: { limit: 1_000 } })
    for (const { id, result, state } of kept) {
      if (result !== undefined && result !== sample.results.get(id)) return `the answer of '${id}' is altered`
      if (state !== 'completed' && state !== 'dead') continue
      if (seen.has(id)) return `'${id}' is live and has ended`
    }
    const ids = new Set(kept.map(({ id }) => id))
    const isWhole =
      [...sample.live.keys()].every((seq) => seen.has(`id${seq}`)) &&
      [...sample.results].every(([id, result]) => kept.some((each) => each.id === id && each.result === result)) &&
      [...sample.dead].every((id) => ids.has(id))
    if (!isWhole && !isReported) {
      // Without its witness nobody can know what was committed at the end.
      return `something is lost, and nothing was said (${JSON.stringify(warnings)})`
    }
    return undefined
  } catch (error) {
    return `it throws ${error}, after it was opened`
  } finally {
    engine.abandon()
  }
}

const isAll = process.env.DAMAGE === 'all'
const random = seeded(Math.floor(Date.now() / 86_400_000))

/** Each place, or some of them. */
function places(length: number, share: number): number[] {
  const all = Array.from({ length }, (_, place) => place)
  return isAll ? all : all.filter(() => random() < share)
}

const sampleFiles = ['', '-wal', '.mark']

test.each(sampleFiles)(
  'a store whose %j is cut anywhere is opened or refused, and no loss is silent',
  { timeout: 3_600_000 },
  (name) => {
    const sample = makeSample()
    const content = sample.files.get(name) as Buffer
    const folder = temporaryFolder()
    const problems: string[] = []
    for (const length of places(content.length, 300 / content.length)) {
      const bytes = content.subarray(0, length)
      const problem = judge(lay(folder, sample, name, bytes), sample, name, bytes)
      if (problem !== undefined) problems.push(`cut at ${length} of ${content.length}: ${problem}`)
    }
    expect(problems.slice(0, 20)).toEqual([])
  },
)

test.each(sampleFiles)(
  'a store with a bit turned anywhere in %j is opened or refused, and no loss is silent',
  { timeout: 3_600_000 },
  (name) => {
    const sample = makeSample()
    const content = sample.files.get(name) as Buffer
    const folder = temporaryFolder()
    const problems: string[] = []
    for (const place of places(content.length, 600 / content.length)) {
      const bytes = Buffer.from(content)
      bytes[place] = (bytes[place] as number) ^ (1 << (isAll ? place % 8 : Math.floor(random() * 8)))
      const problem = judge(lay(folder, sample, name, bytes), sample, name, bytes)
      if (problem !== undefined) problems.push(`turned at ${place} of ${content.length}: ${problem}`)
    }
    expect(problems.slice(0, 20)).toEqual([])
  },
)

test('zeros over any page are found', { timeout: 600_000 }, () => {
  const sample = makeSample()
  const folder = temporaryFolder()
  const problems: string[] = []
  for (const name of ['', '-wal']) {
    const content = sample.files.get(name) as Buffer
    for (let page = 0; page * 512 < content.length; page++) {
      const bytes = Buffer.from(content).fill(0, page * 512, Math.min((page + 1) * 512, content.length))
      const problem = judge(lay(folder, sample, name, bytes), sample, name, bytes)
      if (problem !== undefined) problems.push(`page ${page} of ${name}: ${problem}`)
    }
  }
  expect(problems).toEqual([])
})

test('a store that ends at any page is refused, and left as it is', { timeout: 600_000 }, () => {
  const sample = makeSample()
  const folder = temporaryFolder()
  const content = sample.files.get('') as Buffer
  const problems: string[] = []
  for (let length = 512; length < content.length; length += 512) {
    const bytes = content.subarray(0, length)
    const problem = judge(lay(folder, sample, '', bytes), sample, '', bytes)
    if (problem !== undefined) problems.push(`cut at ${length} of ${content.length}: ${problem}`)
  }
  expect(problems).toEqual([])
})

test('what SQLite says of its own table of numbers is looked at, too', () => {
  const sample = makeSample()
  const folder = temporaryFolder()
  const content = sample.files.get('') as Buffer
  const name = content.indexOf('CREATE TABLE sqlite_sequence(name,seq)')
  const problems: string[] = []
  for (let place = name - 40; place < name + 40; place++) {
    const bytes = Buffer.from(content)
    bytes[place] = (bytes[place] as number) ^ (1 << (place % 8))
    const problem = judge(lay(folder, sample, '', bytes), sample, '', bytes)
    if (problem !== undefined) problems.push(`turned at ${place}: ${problem}`)
  }
  expect(name).toBeGreaterThan(0)
  expect(problems).toEqual([])
})

test.each([
  [522, 'corrupt', 'a page is only there in part'],
  [4874, 'unavailable', 'there is no room to look: a checkpoint is stuck on a disk that is full'],
])('a store that is shorter than it says is damaged only if it can’t be read: SQLite’s %i is %s', (errcode, kind) => {
  const sample = makeSample()
  const path = join(temporaryFolder(), 'a.db')
  for (const [name, bytes] of sample.files) writeFileSync(path + name, bytes)
  const main = sample.files.get('') as Buffer
  writeFileSync(path, main.subarray(0, main.length - 100))
  const error = Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode })
  const open: OpenDatabase = (of, isReadOnly) => {
    const database = nodeDatabase(of, isReadOnly)
    return {
      exec: (sql) => database.exec(sql),
      prepare() {
        throw error
      },
      close: () => database.close(),
    }
  }
  expect(() => openEngine(path, {}, open)).toThrow(
    expect.objectContaining({ report: expect.objectContaining({ kind }) }),
  )
})

/**
 * Does the demo read production traces as they are, and say where one is wrong?
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { InputError } from '../../examples/demo/arguments.ts'
import { readTrace, replay, scale, tiersOf } from '../../examples/demo/trace.ts'

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens'
const ROW = '2023-11-16 18:17:03.9799600,4808,10'
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-trace-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('a trace is read', () => {
  test('with its header, fractions of a ms, CRLF, a byte order mark and empty lines at the end', async () => {
    const path = await file('crlf.csv', `\uFEFF${HEADER}\r\n${ROW}\r\n2023-11-16 18:17:04,110,27\r\n\r\n`)
    const { rows } = await readTrace(path)
    expect(rows.map(({ contextTokens, generatedTokens }) => [contextTokens, generatedTokens])).toEqual([
      [4808, 10],
      [110, 27],
    ])
    expect(rows[0]?.atMs).toBeCloseTo(Date.UTC(2023, 10, 16, 18, 17, 3) + 979.96, 2)
  })

  test('with a T and a time zone', async () => {
    const path = await file('zone.csv', `${HEADER}\n2024-05-10T02:00:00.5+02:00,1,1`)
    expect((await readTrace(path)).rows[0]?.atMs).toBe(Date.UTC(2024, 4, 10, 0, 0, 0, 500))
  })

  test('only as far as the limit', async () => {
    const path = await file('limit.csv', `${HEADER}\n${ROW}\n${ROW}\nnonsense`)
    expect((await readTrace(path, 2)).rows).toHaveLength(2)
  })
})

describe('what is wrong is named by file and line', () => {
  test.each([
    ['no header', `${ROW}\n`, 1, 'the header must be TIMESTAMP,ContextTokens,GeneratedTokens'],
    ['an empty file', '', 1, 'the file is empty'],
    ['only a header', `${HEADER}\n`, 1, 'no requests'],
    ['too few fields', `${HEADER}\n${ROW}\n2023-11-16 18:17:04,5`, 3, 'there are 2'],
    [
      'no number',
      `${HEADER}\n${ROW}\n${ROW}\n2023-11-16 18:17:04,many,5`,
      4,
      "ContextTokens must be a whole number of at least 0, but is 'many'",
    ],
    [
      'a negative number',
      `${HEADER}\r\n2023-11-16 18:17:04,5,-1\r\n`,
      2,
      "GeneratedTokens must be a whole number of at least 0, but is '-1'",
    ],
    ['no time', `${HEADER}\nyesterday,5,5`, 2, 'TIMESTAMP must be a time'],
    ['a day that does not exist', `${HEADER}\n2023-02-30 18:17:04,5,5`, 2, 'TIMESTAMP must be a time'],
    ['an hour that does not exist', `${HEADER}\n2023-02-20 25:17:04,5,5`, 2, 'TIMESTAMP must be a time'],
  ])('%s', async (name, text, line, message) => {
    const path = await file(`${name}.csv`, text)
    const error = await readTrace(path).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(InputError)
    expect((error as Error).message).toContain(`${path}:${line}: `)
    expect((error as Error).message).toContain(message)
  })

  test('a missing file, and a folder', async () => {
    const missing = join(folder, 'missing.csv')
    await expect(readTrace(missing)).rejects.toThrow(`${missing}: no such file`)
    await expect(readTrace(folder)).rejects.toThrow(`${folder}: is a directory`)
  })
})

describe('a replay', () => {
  const row = (atMs: number, contextTokens = 0, generatedTokens = 0) => ({ atMs, contextTokens, generatedTokens })
  const trace = (...rows: ReturnType<typeof row>[]) => ({ path: 'a.csv', rows })

  test('gives the first file the most urgent tier', () => {
    expect([1, 2, 3, 4].map(tiersOf)).toEqual([
      ['normal'],
      ['high', 'normal'],
      ['urgent', 'high', 'normal'],
      ['urgent', 'high', 'normal', 'low'],
    ])
  })

  test('merges traces of the same period by time, and compresses it', () => {
    const merged = replay([trace(row(1000), row(5000)), trace(row(600), row(2600))], 10)
    expect(merged.map(({ atMs, priority }) => [atMs, priority])).toEqual([
      [0, 'normal'],
      [40, 'high'],
      [200, 'normal'],
      [440, 'high'],
    ])
  })

  test('begins traces of different periods together', () => {
    const merged = replay([trace(row(1000), row(2000)), trace(row(9e9), row(9e9 + 500))], 1)
    expect(merged.map(({ atMs }) => atMs)).toEqual([0, 0, 500, 1000])
  })

  test('asks for work in proportion to the tokens, and for a little where there are none', () => {
    const replayed = replay([trace(row(0, 400, 20), row(1, 0, 10), row(2))], 1)
    expect(replayed.map(({ serviceMs }) => serviceMs)).toEqual([500, 200, 0])
    expect(scale(replayed, 100).map(({ bytes }) => bytes)).toEqual([50_000, 20_000, 1024])
  })
})

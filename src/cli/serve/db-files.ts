/**
 * Do the files of requests fit the number of shards? Each has one, `requests.db.0` …, and which shard has a request goes by the number of
 * shards: with another number a file would never be opened, or a request that was given again would run again, in another shard.
 */
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { cannot } from '../fault.ts'
import { plural } from '../words.ts'

/** @param shards undefined: one queue, in the file itself @throws {Fault} before any of them is opened, or made */
export function requireFiles(db: string, shards: number | undefined): void {
  const count = shardsOf(db)
  if (shards === undefined) {
    if (!existsSync(db) && count > 0) throw cannot(`${ofSo(db, count)}: ${howToGoOn(count)}`)
    return
  }
  if (count === 0) {
    if (!existsSync(db)) return
    throw cannot(`${db} is of a queue without shards: start it without --shards, or choose another file with --db`)
  }
  for (let i = 0; i < count; i++) {
    if (!existsSync(`${db}.${i}`)) throw cannot(`${ofSo(db, count)}, and ${db}.${i} is gone: restore it from a backup`)
  }
  if (count !== shards) throw cannot(`${ofSo(db, count)}, and not of ${shards}: ${howToGoOn(count)}`)
}

function ofSo(db: string, count: number): string {
  return `${db} is of ${plural(count, 'shard')} (${db}.0 …)`
}

function howToGoOn(count: number): string {
  return `start it with --shards ${count}, or choose another file with --db`
}

/** How many files of shards there are; 0: none. By the greatest number that a file, or its witness, has. */
export function shardsOf(db: string): number {
  const start = `${basename(db)}.`
  const names = existsSync(dirname(db)) ? readdirSync(dirname(db)) : []
  return names
    .filter((name) => name.startsWith(start))
    .map((name) => /^(0|[1-9]\d{0,3})(\.mark)?$/.exec(name.slice(start.length))?.[1])
    .reduce((count, number) => Math.max(count, number === undefined ? 0 : Number(number) + 1), 0)
}

/**
 * A short history of a store whose disk may fail, and what must be in the store after it, given what its caller was told.
 */
import type { QueueStore } from '../../../src/core/store.ts'
import { StoreUnavailableError } from '../../../src/core/store-errors.ts'
import type { SqliteStore } from '../../../src/sqlite/sqlite-store.ts'
import { admitted, completed, failed } from '../../contract/support.ts'

/** What the caller was told. */
export interface Told {
  readonly live: Set<string>
  readonly refused: Set<string>
  readonly results: Map<string, unknown>
  readonly dead: Set<string>
  readonly attempts: Map<string, number>
  refusals: number
}

/** Again until the disk is back: as an executor does that keeps its request waiting. */
export async function untilAccepted(told: Told, work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      told.refusals++
      // Between two tries, as the real disk takes its time: nothing is judged by it.
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

export async function history(queue: QueueStore, told: Told): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const id = `r${i}`
    try {
      const seq = await admitted(queue, id)
      told.live.add(id)
      const facts: Promise<unknown>[] = []
      if (i === 4) facts.push(queue.changed(seq, { priority: 'urgent' }))
      if (i < 3) {
        await untilAccepted(told, () => queue.begins(seq, 1, Date.now()))
        told.attempts.set(id, 1)
      }
      if (i === 0 || i === 1) {
        facts.push(queue.ended(seq, i === 0 ? completed(`result ${i}`) : failed(new Error('no'))))
        await Promise.all(facts)
        told.live.delete(id)
        if (i === 0) told.results.set(id, JSON.stringify(`result ${i}`))
        else told.dead.add(id)
      } else {
        if (i === 2) facts.push(queue.attemptEnded(seq, 1, { error: new Error('once more') }))
        await Promise.all(facts)
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      told.refused.add(id)
      told.refusals++
    }
  }
}

export async function check(store: Pick<SqliteStore, 'list'>, told: Told): Promise<string[]> {
  const problems: string[] = []
  const { records } = await store.list({ limit: 1_000 })
  const states = new Map(records.map((each) => [each.id, each]))
  if (states.size !== records.length) problems.push('an id is there twice')
  for (const id of told.live) {
    const record = states.get(id)
    if (record === undefined || record.endedAt !== undefined) problems.push(`${id} is not live`)
    if (record !== undefined && record.attempts !== (told.attempts.get(id) ?? 0))
      problems.push(`${id} has ${record.attempts} attempts`)
  }
  for (const [id, result] of told.results)
    if (states.get(id)?.result !== result) problems.push(`${id} has lost its answer`)
  for (const id of told.dead) if (states.get(id)?.state !== 'dead') problems.push(`${id} is not dead`)
  for (const id of told.refused) if (states.has(id)) problems.push(`${id} was refused, and is there`)
  return problems
}

export const newlyTold = (): Told => ({
  ...{ live: new Set<string>(), refused: new Set<string>(), results: new Map<string, unknown>() },
  ...{ dead: new Set<string>(), attempts: new Map<string, number>(), refusals: 0 },
})

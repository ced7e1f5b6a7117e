/**
 * A process with a disk that fails: a short history of a store for each call, of which that one fails. Says what it finds, a line
 * of JSON for each.
 *
 *     every-call.ts FOLDER CONTROL FAULTS FIRST STEP
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { StoreUnavailableError } from '../../../src/core/store-errors.ts'
import { openStore } from '../../../src/sqlite/open-store.ts'
import type { SqliteStore } from '../../../src/sqlite/sqlite-store.ts'
import { check, history, newlyTold, untilAccepted } from '../../sqlite/support/told.ts'
import { Control } from './control.ts'

const [folder = '', controlFile = '', faults = '', first = '1', step = '1'] = process.argv.slice(2)
const control = new Control(controlFile)
const onDamage = () => {}

for (let at = Number(first), wasReached = true; wasReached; at += Number(step)) {
  const path = join(folder, `${at}.db`)
  const told = newlyTold()
  const problems: string[] = []
  control.fail(JSON.parse(faults), at)
  let store: SqliteStore
  try {
    store = await openStore(path, { onDamage })
  } catch (error) {
    // It is opened or not; the next one finds what is there.
    if (!(error instanceof StoreUnavailableError)) problems.push(`when it is opened: ${error}`)
    store = await openStore(path, { onDamage })
  }
  await history(store.queue('main'), told)
  await untilAccepted(told, () => store.flushed())
  problems.push(...(await check(store, told)).map((problem) => `at once: ${problem}`))
  // Closing writes, too.
  await store.close().catch((error) => {
    if (!(error instanceof StoreUnavailableError)) problems.push(`when it is closed: ${error}`)
  })
  wasReached = control.count >= at
  control.heal()
  const again = await openStore(path, { onDamage })
  if (again.report.damage.length > 0) problems.push(JSON.stringify(again.report.damage))
  problems.push(...(await check(again, told)).map((problem) => `opened again: ${problem}`))
  await again.close()
  // Not by console.log: it is about the disk that all of this may wait.
  writeSync(1, `${JSON.stringify({ at, problems, refusals: told.refusals })}\n`)
}

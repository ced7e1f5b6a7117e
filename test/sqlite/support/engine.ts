/**
 * An engine without a thread, and operations for it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { OpenDatabase } from '../../../src/sqlite/database.ts'
import { Engine } from '../../../src/sqlite/engine.ts'
import { filesOf } from '../../../src/sqlite/files.ts'
import type { Settings } from '../../../src/sqlite/settings.ts'
import { Op, type Operation } from '../../../src/sqlite/wire.ts'
import { settingsFor } from './settings.ts'

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triage-queue-sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function openEngine(path: string, more: Partial<Settings> = {}, open?: OpenDatabase): Engine {
  return new Engine(filesOf(path), settingsFor(path, more), open)
}

const AT = 1_800_000_000_000

export function admit(
  seq: number,
  {
    id = `id${seq}`,
    queue = 'main',
    tier = 2,
    payload = JSON.stringify({ seq }),
    startedAt = null as number | null,
  } = {},
): Operation {
  return [Op.ADMIT, seq, queue, id, true, null, tier, payload, null, AT + seq, null, '{}', startedAt]
}

export function begin(seq: number, attempt = 1): Operation {
  return [Op.BEGIN, seq, attempt, AT + seq]
}

export function attemptEnded(seq: number, attempt = 1): Operation {
  return [Op.ATTEMPT_ENDED, seq, attempt, null, null]
}

export function end(seq: number, result = JSON.stringify(`answer ${seq}`)): Operation {
  return [Op.END, seq, 'completed', false, AT + 1_000 + seq, 1, AT + seq, 1, 2, 0, result, null, null, null]
}

export function fail(seq: number): Operation {
  return [Op.END, seq, 'failed', true, AT + 1_000 + seq, 1, AT + seq, 1, 2, 0, null, null, '{"name":"Error"}', 'Error']
}

export function change(seq: number, tier: number): Operation {
  return [Op.CHANGE, seq, tier, undefined, null]
}

export function recover(engine: Engine, queue = 'main') {
  return engine.ask({ what: 'recover', queue, maxAttempts: 3, after: undefined, limit: 1_000 }).records
}

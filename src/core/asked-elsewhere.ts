/**
 * The options of a request that another process takes in: read as an executor of this process reads them, with the same errors.
 */
import type { RequestOptions } from './options.ts'
import { NORMAL } from './priority.ts'
import { readRequestOptions } from './request-options.ts'
import { RequestRecord } from './request-record.ts'

const nobody = {}

/**
 * Its times count from 0, which is now: `startAt` and `deadlineAt` are how many ms are left.
 * @throws {OptionsError}
 */
export function askedElsewhere(options: RequestOptions): RequestRecord {
  const record = new RequestRecord(undefined, NORMAL, { at: 0, owner: nobody })
  readRequestOptions(options, record)
  return record
}

/**
 * What the errors of stores say.
 */
import {
  isTriageError,
  NotAdmittedError,
  ParkedError,
  PayloadTooLargeError,
  StoreCorruptError,
  StoreLockedError,
  StoreTooNewError,
  StoreUnavailableError,
  TriageError,
} from 'triage-queue'
import { expect, test } from 'vitest'

const cause = new Error('disk I/O error')

test.each<[TriageError, string, string, string, object]>([
  [
    new StoreLockedError('a.db', 'process 7 on box', cause),
    ...(['StoreLockedError', 'TRIAGE_STORE_LOCKED'] as const),
    ...(["The store 'a.db' is open already, by process 7 on box", { path: 'a.db', cause, statusCode: 503 }] as const),
  ],
  [
    new StoreLockedError('a.db'),
    ...(['StoreLockedError', 'TRIAGE_STORE_LOCKED'] as const),
    ...(["The store 'a.db' is open already, by another owner", { path: 'a.db' }] as const),
  ],
  [
    new StoreUnavailableError('a.db', 'the disk is full', { requestId: 'r1', priority: 'low' }, cause),
    ...(['StoreUnavailableError', 'TRIAGE_STORE_UNAVAILABLE'] as const),
    "The store 'a.db' is not available: the disk is full",
    { statusCode: 503, path: 'a.db', cause, requestId: 'r1', priority: 'low', started: false },
  ],
  [
    new StoreCorruptError('a.db', 'it is no database', cause),
    ...(['StoreCorruptError', 'TRIAGE_STORE_CORRUPT'] as const),
    ...(["The store 'a.db' was not opened: it is no database", { path: 'a.db', cause, statusCode: 500 }] as const),
  ],
  [
    new StoreTooNewError('a.db', 3, 1),
    ...(['StoreTooNewError', 'TRIAGE_STORE_TOO_NEW'] as const),
    "The store 'a.db' has tables of version 3, and this version of triage-queue knows those up to 1: use a later one",
    { path: 'a.db', version: 3, known: 1, statusCode: 500 },
  ],
  [
    new ParkedError({ requestId: 'r1', started: true }),
    ...(['ParkedError', 'TRIAGE_PARKED'] as const),
    'The executor has closed; the request is kept, and runs after the next start',
    { requestId: 'r1', started: true, statusCode: 503, expose: false },
  ],
  [
    new PayloadTooLargeError('request', 12, 10),
    ...(['PayloadTooLargeError', 'TRIAGE_PAYLOAD_TOO_LARGE'] as const),
    ...([
      'The request is too large to be stored: 12 of at most 10 bytes',
      { bytes: 12, maxBytes: 10, statusCode: 413, expose: true },
    ] as const),
  ],
])('%s', (error, name, code, message, more) => {
  expect(error).toMatchObject({ name, code, message, ...more })
  expect(isTriageError(error)).toBe(true)
  expect(error).toBeInstanceOf(TriageError)
  expect(String(error)).toBe(`${name}: ${message}`)
})

test('what was too large was not admitted, and what was parked was', () => {
  expect(new PayloadTooLargeError('request', 2, 1)).toBeInstanceOf(NotAdmittedError)
  expect(new ParkedError()).not.toBeInstanceOf(NotAdmittedError)
})

/**
 * What is accepted comes back as it was; what would not is refused, with the path.
 */
import fc from 'fast-check'
import { InvalidRequestError } from 'triage-queue'
import { jsonCodec, v8Codec } from 'triage-queue/sqlite'
import { describe, expect, test, vi } from 'vitest'
import { Payloads } from '../../src/sqlite/payloads.ts'

// Thousands of values.
vi.setConfig({ testTimeout: 60_000 })

const MAX = 1024 * 1024

function roundTrip(codec: typeof jsonCodec, value: unknown): unknown {
  return codec.decode(codec.encode(value, 'request', MAX))
}

describe('v8', () => {
  test('whatever it accepts comes back as it was', () => {
    const values = fc.anything({
      withDate: true,
      withMap: true,
      withSet: true,
      withBigInt: true,
      withTypedArray: true,
      withSparseArray: true,
    })
    fc.assert(
      fc.property(values, (value) => {
        expect(roundTrip(v8Codec, value)).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  test('what it can’t keep is refused', () => {
    expect(() => v8Codec.encode({ f() {} }, 'request', MAX)).toThrow(InvalidRequestError)
    expect(() => v8Codec.encode(Symbol('s'), 'metadata', MAX)).toThrow(/The metadata can't be stored/)
  })
})

describe('the size', () => {
  const payloads = new Payloads(jsonCodec, 10)

  test('counts bytes, and is told', () => {
    expect(payloads.encode('éééé', 'request')).toBe('"éééé"')
    expect(() => payloads.encode('ééééé', 'request')).toThrow(
      expect.objectContaining({ code: 'TRIAGE_PAYLOAD_TOO_LARGE', bytes: 12, maxBytes: 10 }),
    )
  })

  test('an answer that is too large is left out, and says why', () => {
    expect(payloads.answer('x')).toEqual({ result: '"x"', omitted: undefined })
    expect(payloads.answer('x'.repeat(20))).toMatchObject({
      result: undefined,
      omitted: expect.stringContaining('result is too large'),
    })
  })

  test('bytes of a larger buffer are copied out of it', () => {
    const codec = { name: 'own', encode: () => Buffer.from('hello'), decode: (encoded: unknown) => String(encoded) }
    const encoded = new Payloads(codec, 10).encode(1, 'request') as Uint8Array
    expect(encoded.buffer.byteLength).toBe(5)
  })
})

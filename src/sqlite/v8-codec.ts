/**
 * What JSON can't keep: Date, Map, Set, RegExp, BigInt, typed arrays, NaN, cycles. The bytes are those of Node's `v8.serialize`.
 *
 * Objects of classes come back as plain ones; functions and symbols are refused. A sqlite3 shell can't read them.
 */
import { deserialize, serialize } from 'node:v8'
import { describe } from '../core/any-value.ts'
import { InvalidRequestError } from '../core/errors.ts'
import type { Codec } from '../core/keep/codec.ts'

export const v8Codec: Codec = {
  name: 'v8',
  encode(value, what) {
    try {
      return serialize(value)
    } catch (error) {
      const message = describe(error)
      throw new InvalidRequestError([{ message }], undefined, `The ${what} can't be stored`)
    }
  },
  decode: (encoded) => deserialize(encoded as Uint8Array),
}

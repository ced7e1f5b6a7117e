/**
 * What goes into the file, and what comes out of it: a codec, and the limit of a size.
 */
import { Buffer } from 'node:buffer'
import { describe } from '../core/any-value.ts'
import type { Bytes, Codec } from '../core/keep/codec.ts'
import { PayloadTooLargeError } from '../core/store-errors.ts'

export class Payloads {
  readonly codec: Codec
  readonly #maxBytes: number

  constructor(codec: Codec, maxBytes: number) {
    this.codec = codec
    this.#maxBytes = maxBytes
  }

  /** @throws {InvalidRequestError} @throws {PayloadTooLargeError} */
  encode(value: unknown, what: string): Bytes {
    const encoded = this.codec.encode(value, what, this.#maxBytes)
    const bytes = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.byteLength
    if (bytes > this.#maxBytes) throw new PayloadTooLargeError(what, bytes, this.#maxBytes)
    // What lies in a larger buffer would take all of it along when it is sent.
    return typeof encoded === 'string' || bytes === encoded.buffer.byteLength ? encoded : new Uint8Array(encoded)
  }

  /** An answer, or why there is none: its caller has it anyway. */
  answer(value: unknown): { readonly result: Bytes | undefined; readonly omitted: string | undefined } {
    try {
      return { result: this.encode(value, 'result'), omitted: undefined }
    } catch (error) {
      return { result: undefined, omitted: describe(error).slice(0, 500) }
    }
  }

  decode(encoded: Bytes): unknown {
    return this.codec.decode(encoded)
  }
}

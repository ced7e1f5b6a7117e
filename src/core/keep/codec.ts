/**
 * How does a payload become something that a file, or a server, can keep? A codec says so: JSON by default.
 */

/** What a file can keep. */
export type Bytes = string | Uint8Array

export interface Codec {
  /** Stands in the file, so that it is not read with another one. */
  readonly name: string
  /**
   * @param what for messages: `'request'`
   * @param maxBytes it may stop, with a `PayloadTooLargeError`, as soon as it is clear that there will be more
   * @throws {InvalidRequestError} for what would not come back as it is
   */
  encode(value: unknown, what: string, maxBytes: number): Bytes
  decode(encoded: Bytes): unknown
}

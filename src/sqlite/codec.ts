/**
 * What a codec has made for a file.
 */
import type { Encoded, Unencoded } from '../core/store.ts'

/** What a store in a file has made is never a mere value. */
export function bytesOf<E extends Encoded | undefined>(encoded: E): Exclude<E, Unencoded> {
  return encoded as Exclude<E, Unencoded>
}

/**
 * JSON, and nothing that JSON would change in silence: what is not refused comes back as it was.
 *
 * JSON makes null of NaN, of Infinity, and of undefined in an array; text of a Date; nothing of a Map, of a function and of a
 * symbol; 0 of −0; a plain object of an object of a class. All that is refused, with the path. One thing is let through, since
 * so much code relies on it: a property that is undefined is left out.
 *
 * The value is walked first, and then written by `JSON.stringify`, which is faster than a writer of our own.
 */
import { InvalidRequestError } from '../errors.ts'
import { PayloadTooLargeError } from '../store-errors.ts'
import type { Bytes, Codec } from './codec.ts'

/** Deeper than any request by design, and far from where `JSON.stringify` runs out of stack. */
const MAX_DEPTH = 500

/** How much of a path is shown. */
const MAX_PATH = 20

export const jsonCodec: Codec = {
  name: 'json',
  encode(value, what, maxBytes) {
    // Many functions answer nothing. No JSON text is empty.
    if (value === undefined) return ''
    new Walk(what, maxBytes).visit(value, 0)
    return JSON.stringify(value)
  },
  decode: (encoded: Bytes) => (encoded === '' ? undefined : JSON.parse(encoded as string)),
}

class Walk {
  readonly #what: string
  readonly #maxBytes: number
  readonly #path: (string | number)[] = []
  readonly #above: object[] = []
  /** Each value has at least one byte. An object that is referred to twice is written twice, and may be so at each level. */
  #visited = 0

  constructor(what: string, maxBytes: number) {
    this.#what = what
    this.#maxBytes = maxBytes
  }

  visit(value: unknown, depth: number): void {
    if (++this.#visited > this.#maxBytes) {
      throw new PayloadTooLargeError(this.#what, this.#visited, this.#maxBytes)
    }
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return
      case 'number':
        if (!Number.isFinite(value)) throw this.#refuse(`${value} is no number in JSON`)
        if (Object.is(value, -0)) throw this.#refuse('-0 is 0 in JSON')
        return
      case 'object':
        if (value !== null) this.#enter(value, depth)
        return
      default:
        throw this.#refuse(`JSON has nothing for a value of type ${typeof value}`)
    }
  }

  #enter(value: object, depth: number): void {
    if (depth >= MAX_DEPTH) {
      const isCycle = new Set(this.#above).size < this.#above.length
      throw this.#refuse(isCycle ? 'it contains itself' : `it is deeper than ${MAX_DEPTH} levels`)
    }
    this.#above.push(value)
    if (Array.isArray(value)) this.#items(value, depth)
    else this.#properties(value, depth)
    this.#above.pop()
  }

  #items(value: readonly unknown[], depth: number): void {
    if (Object.keys(value).length !== value.length) {
      throw this.#refuse('JSON has arrays without holes and without properties only')
    }
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function') throw this.#refuse('it has a toJSON()')
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i)
      this.visit(value[i], depth + 1)
      this.#path.pop()
    }
  }

  #properties(value: object, depth: number): void {
    if (!isPlain(value)) throw this.#refuse(`JSON does not keep ${nameOf(value)}`)
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function') throw this.#refuse('it has a toJSON()')
    if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refuse('JSON has no properties by symbol')
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key]
      if (item === undefined) continue
      this.#path.push(key)
      this.visit(item, depth + 1)
      this.#path.pop()
    }
  }

  #refuse(message: string): InvalidRequestError {
    const path = this.#path.slice(0, MAX_PATH).map((key) => (typeof key === 'string' ? key.slice(0, 60) : key))
    if (this.#path.length > MAX_PATH) path.push('…')
    return new InvalidRequestError([{ message, path }], undefined, `The ${this.#what} can't be stored`)
  }
}

/** Also one of another realm, whose Object has a prototype of its own. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === null || prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty')
}

function nameOf(value: object): string {
  const type: unknown = value.constructor
  return typeof type === 'function' && type.name !== '' ? `a ${type.name}` : 'an object of a class'
}

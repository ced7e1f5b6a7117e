/**
 * Is it the same request once more? Whoever joins a live one by its id shares its run, and must have asked for the same; and so
 * must whoever is given an answer that is kept.
 *
 * Plain data is compared deeply: objects, arrays with their holes, Map, Set, Date, RegExp, ArrayBuffer and its views, with all
 * enumerable properties of their own. Anything else is the same only if it is the very same: a function, an instance of a
 * class, a promise, a stream. So is what is too large or too deep to be compared.
 *
 * Keys of a Map and members of a Set that are objects are compared in the order in which they were added, others in any.
 */

/** Objects, and what they hold: about a millisecond. */
const MAX_NODES = 10_000
const MAX_DEPTH = 100
/** Of buffers: about two milliseconds. */
const MAX_BYTES = 2 ** 24

/** Is one equal to the other? Neither is changed. Throws what a getter, or a trap of a proxy, throws. */
export function isSame(one: unknown, other: unknown): boolean {
  // The usual case needs no memory.
  return Object.is(one, other) || new Comparison().same(one, other, 0)
}

class Comparison {
  #nodes = MAX_NODES
  #bytes = MAX_BYTES
  /** With what each was compared. A cycle comes back to it, and is equal if all else is. */
  readonly #seen = new Map<object, object>()

  same(one: unknown, other: unknown, depth: number): boolean {
    if (Object.is(one, other)) return true
    if (!isObject(one) || !isObject(other) || depth > MAX_DEPTH) return false
    if (this.#seen.get(one) === other) return true
    const kind = kindOf(one)
    if (kind === undefined || kind !== kindOf(other)) return false
    this.#seen.set(one, other)
    // Of typed arrays there are eleven.
    const compare = compares.get(kind) ?? sameBytes
    if (!compare(this, one as never, other as never, depth + 1)) return false
    // The bytes are properties of their own.
    return compare === sameBytes || this.#sameProperties(one, other, depth + 1)
  }

  sameMembers(one: Members, other: Members, depth: number): boolean {
    if (one.size !== other.size || !this.#hasRoomFor(one.size)) return false
    const unmatched = [...other.keys()].filter((key) => !one.has(key)).values()
    return [...one.keys()].every((key) => {
      const twin = other.has(key) ? key : unmatched.next().value
      return this.same(key, twin, depth) && this.same(one.get?.(key), other.get?.(twin), depth)
    })
  }

  sameBytes(one: Bytes, other: Bytes): boolean {
    const { byteLength } = one
    this.#bytes -= byteLength
    if (byteLength !== other.byteLength || this.#bytes < 0) return false
    // What was handed over to another thread has no bytes, and can't be looked into.
    return byteLength === 0 || Buffer.compare(viewOf(one), viewOf(other)) === 0
  }

  #sameProperties(one: Properties, other: Properties, depth: number): boolean {
    const keys = keysOf(one)
    return (
      this.#hasRoomFor(keys.length) &&
      keys.length === keysOf(other).length &&
      keys.every((key) => isEnumerable.call(other, key) && this.same(one[key], other[key], depth))
    )
  }

  #hasRoomFor(nodes: number): boolean {
    this.#nodes -= nodes
    return this.#nodes >= 0
  }
}

interface Properties {
  readonly [key: PropertyKey]: unknown
}

interface Members {
  readonly size: number
  keys(): Iterable<unknown>
  has(key: unknown): boolean
  get?(key: unknown): unknown
}

type Bytes = ArrayBuffer | ArrayBufferView

/** Both are of its kind. */
type Compare = (comparison: Comparison, one: never, other: never, depth: number) => boolean

/** By the prototype that an object of the kind has. */
const compares = new Map<object, Compare>([
  [Object.prototype, () => true],
  // Looked at before their keys are listed.
  [Array.prototype, (_, one: unknown[], other: unknown[]) => one.length === other.length && one.length <= MAX_NODES],
  [Map.prototype, sameMembers],
  [Set.prototype, sameMembers],
  [Date.prototype, (_, one: Date, other: Date) => Object.is(one.getTime(), other.getTime())],
  [RegExp.prototype, (_, one: RegExp, other: RegExp) => `${one}` === `${other}` && one.lastIndex === other.lastIndex],
  [ArrayBuffer.prototype, sameBytes],
  [DataView.prototype, sameBytes],
  [Buffer.prototype, sameBytes],
])

function sameMembers(comparison: Comparison, one: Members, other: Members, depth: number): boolean {
  return comparison.sameMembers(one, other, depth)
}

function sameBytes(comparison: Comparison, one: Bytes, other: Bytes): boolean {
  return comparison.sameBytes(one, other)
}

/** The prototype that stands for its kind; undefined for what is no plain data. */
function kindOf(value: object): object | undefined {
  const prototype: object | null = Object.getPrototypeOf(value)
  // Those of another realm (`vm`, jest) have prototypes of their own.
  if (Array.isArray(value)) return Array.isArray(prototype) ? Array.prototype : undefined
  if (prototype === null || Object.hasOwn(prototype, 'isPrototypeOf')) return Object.prototype
  return compares.has(prototype) || Object.getPrototypeOf(prototype) === typedArray ? prototype : undefined
}

const typedArray: unknown = Object.getPrototypeOf(Uint8Array.prototype)

const isEnumerable = Object.prototype.propertyIsEnumerable

function keysOf(value: object): PropertyKey[] {
  return [...Object.keys(value), ...Object.getOwnPropertySymbols(value).filter((key) => isEnumerable.call(value, key))]
}

function viewOf(bytes: Bytes): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)
}

function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null
}

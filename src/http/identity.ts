/**
 * Has a later request with the same id asked for the same? Without a store, which compares what it has kept, this is what is known of
 * one that has ended: a digest of its payload as it was submitted, and its kind.
 */
import { hash } from 'node:crypto'

export interface Identity {
  /** Undefined: not known, and so the same as no other. */
  readonly digest: string | undefined
  readonly kind: string | undefined
}

/** One that is submitted just now. */
interface Coming {
  readonly request: unknown
  readonly identity: Identity
}

/** Values, of a payload that nobody may ever ask about: about a millisecond. */
export const MAX_NODES = 10_000

export class Identities {
  readonly #coming = new Map<string, Coming[]>()

  /** It is about to be submitted. @returns what to call when it was admitted, or refused */
  comes(id: string, request: unknown, identity: Identity): () => void {
    const coming = { request, identity }
    const all = this.#coming.get(id) ?? []
    this.#coming.set(id, all)
    all.push(coming)
    return () => {
      all.splice(all.indexOf(coming), 1)
      if (all.length === 0) this.#coming.delete(id)
    }
  }

  /**
   * Of the one that was admitted. Others with its id may come at the same time: which one it is its payload says, unless a schema has
   * made another one of it.
   */
  of(id: string, request: unknown): Identity {
    // No key leads to any other.
    if (!id.includes('~')) return unknownIdentity
    const all = this.#coming.get(id) ?? []
    const own = all.find((coming) => coming.request === request)
    if (own !== undefined) return own.identity
    const [{ identity } = { identity: identityOf(request, undefined, MAX_NODES) }, ...others] = all
    return others.every((other) => isSame(other.identity, identity)) ? identity : unknownIdentity
  }
}

export const unknownIdentity: Identity = { digest: undefined, kind: undefined }

function isSame(one: Identity, other: Identity): boolean {
  return one.digest === other.digest && one.kind === other.kind
}

export function identityOf(request: unknown, kind: string | undefined, maxNodes = Number.POSITIVE_INFINITY): Identity {
  try {
    const text = JSON.stringify(new Sorting(maxNodes).sorted(request)) ?? ''
    return { digest: hash('sha256', text, 'base64'), kind }
  } catch {
    // Not plain, too large, too deep, or it contains itself.
    return unknownIdentity
  }
}

/** The same object, however its members stand. */
class Sorting {
  #nodes: number

  constructor(maxNodes: number) {
    this.#nodes = maxNodes
  }

  sorted(value: unknown): unknown {
    if (--this.#nodes < 0) throw new RangeError('too large')
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((each) => this.sorted(each))
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) throw new TypeError('not plain')
    const members = value as { readonly [name: string]: unknown }
    const names = Object.keys(members).sort()
    // No array looks like that.
    return { names, values: names.map((name) => this.sorted(members[name])) }
  }
}

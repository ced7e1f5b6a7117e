/**
 * Things in an order, of which any may leave at any time without a search.
 */
export class Place<T> {
  readonly item: T
  before: Place<T> | undefined
  after: Place<T> | undefined = undefined

  constructor(item: T, before: Place<T> | undefined) {
    this.item = item
    this.before = before
  }
}

export class Line<T> {
  first: Place<T> | undefined = undefined
  last: Place<T> | undefined = undefined
  length = 0

  /** @param before whom it comes to stand behind; undefined: in front of all */
  insert(item: T, before: Place<T> | undefined): Place<T> {
    const place = new Place(item, before)
    place.after = before === undefined ? this.first : before.after
    if (place.after === undefined) this.last = place
    else place.after.before = place
    if (before === undefined) this.first = place
    else before.after = place
    this.length++
    return place
  }

  remove({ before, after }: Place<T>): void {
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    this.length--
  }

  clear(): void {
    this.first = undefined
    this.last = undefined
    this.length = 0
  }
}

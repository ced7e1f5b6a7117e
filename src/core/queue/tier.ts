/**
 * One line of waiting entries in the order of their ranks: a tier of the queue, or all its deadlines. Step 3 of 7.
 *
 * A sorted list of sorted blocks (the structure of Python's sortedcontainers), not a binary heap: nearly everything is
 * appended at the end and taken from the front, which costs O(1) here; and the rest (a cancelled request, a new
 * priority, a retry, "how many are before me?") is a binary search and a shift within one block of at most 512.
 * A heap pays O(log n) for the common case, and can't tell a position without visiting half of itself.
 *
 * @see https://grantjenks.com/docs/sortedcontainers/implementation.html
 */

/** A place in a line. Smaller ranks stand in front; equal ranks by sequence. */
interface Place {
  readonly rank: number
  readonly sequence: number
}

/**
 * What can stand in a line. Two may be equal in rank and sequence, as turns of one instant are: then a place does not tell them
 * apart, nor which block one of them stands in.
 */
export interface Ranked {
  rank: number
  sequence: number
  /** Where it stands; undefined while it stands nowhere. Only the line writes it. */
  block: Block | undefined
}

/** A run of neighbours: the live ones are `items[start…]`; those before have left. */
export interface Block {
  items: (Ranked | undefined)[]
  start: number
}

/** Moves within a block stay below 0.1 µs, and a million entries make 2,000 blocks to count over. */
const BLOCK_SIZE = 512

function before(a: Place, b: Place): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.sequence < b.sequence)
}

export class Tier<E extends Ranked> {
  // Blocks in order; those before `#first` are used up and wait to be cut off together.
  readonly #blocks: Block[]
  #first = 0
  /** The last of the blocks, where nearly everything is added. */
  #tail: Block = { items: [], start: 0 }
  /** How many stand in it. */
  size = 0

  constructor() {
    this.#blocks = [this.#tail]
  }

  /** Puts an entry in its place: at the end in O(1) when no rank is greater, else by binary search. */
  add(entry: E): void {
    let block = this.#tail
    const { items } = block
    const { length } = items
    if (this.size++ > 0 && before(entry, items[length - 1] as Ranked)) {
      this.#insert(entry)
      return
    }
    if (length >= BLOCK_SIZE) block = this.#grow(block)
    block.items.push(entry)
    entry.block = block
  }

  first(): E | undefined {
    const block = this.#blocks[this.#first] as Block
    return this.size === 0 ? undefined : (block.items[block.start] as E)
  }

  last(): E | undefined {
    return this.size === 0 ? undefined : (this.#tail.items.at(-1) as E)
  }

  /** The entry with so many in front of it. */
  at(index: number): E | undefined {
    let left = index
    for (let i = this.#first; i < this.#blocks.length; i++) {
      const { items, start } = this.#blocks[i] as Block
      if (left < items.length - start) return items[start + left] as E
      left -= items.length - start
    }
    return undefined
  }

  /** Takes the first. */
  shift(): E | undefined {
    if (this.size === 0) return undefined
    const block = this.#blocks[this.#first] as Block
    const entry = block.items[block.start] as E
    block.items[block.start++] = undefined
    entry.block = undefined
    this.size--
    if (block.start === block.items.length) this.#emptied(block)
    return entry
  }

  /** Takes an entry from wherever it stands. */
  remove(entry: E): void {
    const block = entry.block as Block
    const { items, start } = block
    // Looks for the very object: to compare ranks would touch nine entries that are in no cache, 0.7 µs more.
    const index = items.indexOf(entry, start)
    if (index - start < items.length - index) {
      for (let i = index; i > start; i--) items[i] = items[i - 1] as Ranked
      items[start] = undefined
      block.start++
    } else {
      for (let i = index + 1; i < items.length; i++) items[i - 1] = items[i] as Ranked
      items.pop()
    }
    entry.block = undefined
    this.size--
    if (block.start === items.length) this.#emptied(block)
  }

  /** How many stand in front of a place, whether or not someone stands there. */
  countBefore(place: Place): number {
    if (this.size === 0) return 0
    const at = this.#indexOf(place)
    let count = 0
    for (let i = this.#first; i < at; i++) {
      const block = this.#blocks[i] as Block
      count += block.items.length - block.start
    }
    const block = this.#blocks[at] as Block
    return count + placeOf(block.items, block.start, place) - block.start
  }

  *[Symbol.iterator](): Generator<E> {
    for (let i = this.#first; i < this.#blocks.length; i++) {
      const block = this.#blocks[i] as Block
      for (let j = block.start; j < block.items.length; j++) yield block.items[j] as E
    }
  }

  /** The last first. */
  *backwards(): Generator<E> {
    for (let i = this.#blocks.length - 1; i >= this.#first; i--) {
      const { items, start } = this.#blocks[i] as Block
      for (let j = items.length - 1; j >= start; j--) yield items[j] as E
    }
  }

  /** Room at the end: where a small backlog passes through, by moving it to the front; else in a new block. */
  #grow(block: Block): Block {
    if (block.start > BLOCK_SIZE / 2) {
      block.items.splice(0, block.start)
      block.start = 0
      return block
    }
    this.#tail = { items: [], start: 0 }
    this.#blocks.push(this.#tail)
    return this.#tail
  }

  /** The last one has left a block. */
  #emptied(block: Block): void {
    if (this.size === 0) {
      // The last one left: keep one empty block, ready for the next.
      block.items.length = 0
      block.start = 0
      this.#blocks.length = 0
      this.#blocks.push(block)
      this.#tail = block
      this.#first = 0
      return
    }
    // The very block, as with the entries: a search by place would take another one for it where many are equal.
    const at = this.#blocks.indexOf(block, this.#first)
    if (at === this.#first) {
      this.#first++
      if (this.#first >= 32 && this.#first * 2 >= this.#blocks.length) {
        this.#blocks.splice(0, this.#first)
        this.#first = 0
      } else {
        this.#blocks[at] = empty
      }
    } else {
      this.#blocks.splice(at, 1)
      this.#tail = this.#blocks[this.#blocks.length - 1] as Block
    }
  }

  #insert(entry: E): void {
    const at = this.#indexOf(entry)
    const block = this.#blocks[at] as Block
    const { items } = block
    if (block.start > 0) {
      items.splice(0, block.start)
      block.start = 0
    }
    items.splice(placeOf(items, 0, entry), 0, entry)
    entry.block = block
    if (items.length > BLOCK_SIZE) {
      const right: Block = { items: items.splice(items.length >> 1), start: 0 }
      for (const moved of right.items) (moved as Ranked).block = right
      this.#blocks.splice(at + 1, 0, right)
      this.#tail = this.#blocks[this.#blocks.length - 1] as Block
    }
  }

  /** The index of the block where a place is: the last whose first entry is not behind it. */
  #indexOf(place: Place): number {
    let low = this.#first
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      const block = this.#blocks[middle] as Block
      if (before(place, block.items[block.start] as Ranked)) high = middle - 1
      else low = middle
    }
    return low
  }
}

const empty: Block = { items: [], start: 0 }

/** The index of a place within a block: that of the first entry that is not before it. */
function placeOf(items: readonly (Ranked | undefined)[], start: number, place: Place): number {
  let low = start
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (before(items[middle] as Ranked, place)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Which requests does an asynchronous schema look at? They are neither admitted nor refused yet. Step 1 of 7.
 *
 * A check takes any time, and a slow one holds back no other: each request goes on when its own check has ended. Those whose
 * checks end in one go are collected until no microtask is left, and then go on in the order in which they arrived: else
 * it would depend on how many microtasks each check takes.
 */
interface Checked {
  readonly arrival: number
  goesOn(): void
}

export class Checking<R> {
  max: number
  readonly #records = new Set<R>()
  #arrivals = 0
  #ended: Checked[] = []

  /** @param max how many there may be at a time */
  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.#records.size
  }

  /** As many are looked at as may be. */
  get isFull(): boolean {
    return this.#records.size >= this.max
  }

  records(): Iterable<R> {
    return this.#records
  }

  /** A request is looked at; it goes on with the result, unless it is deleted before. */
  add<C>(record: R, checked: Promise<C>, goesOn: (result: C) => void): void {
    const arrival = ++this.#arrivals
    this.#records.add(record)
    checked.then((result) => {
      const ended = { arrival, goesOn: () => this.#records.delete(record) && goesOn(result) }
      // Not a microtask: a tick comes when none of them is left.
      if (this.#ended.push(ended) === 1) process.nextTick(this.#release)
    })
  }

  /** It has ended before its check. */
  delete(record: R): void {
    this.#records.delete(record)
  }

  readonly #release = (): void => {
    const ended = this.#ended.sort((one, other) => one.arrival - other.arrival)
    this.#ended = []
    for (const each of ended) each.goesOn()
  }
}

/**
 * In which order are results printed? As they come, or in the order of the lines: then what is done early is held back.
 *
 * And how many jobs may be on their way? As many as the window has room for, those that are held back included: so memory stays flat.
 */

export class Results<T> {
  readonly #print: (result: T) => void
  readonly #isOrdered: boolean
  readonly #window: number
  readonly #held = new Map<number, T | undefined>()
  #next = 0
  #taken = 0
  #settled = 0
  #wake: (() => void) | undefined

  constructor(print: (result: T) => void, isOrdered: boolean, window: number) {
    this.#print = print
    this.#isOrdered = isOrdered
    this.#window = window
  }

  /** A place for the next job. It must be settled. */
  take(): number {
    return this.#taken++
  }

  /** There is room for one more, or nothing more comes. */
  async room(): Promise<void> {
    while (this.#open >= this.#window) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** How many places have no end yet. */
  get unsettled(): number {
    return this.#taken - this.#settled
  }

  get #open(): number {
    return this.#taken - (this.#isOrdered ? this.#next : this.#settled)
  }

  /** It has ended. @param result undefined: there is nothing to print */
  settle(place: number, result: T | undefined): void {
    this.#settled++
    if (!this.#isOrdered) {
      if (result !== undefined) this.#print(result)
    } else {
      this.#held.set(place, result)
      while (this.#held.has(this.#next)) {
        const held = this.#held.get(this.#next)
        this.#held.delete(this.#next)
        this.#next++
        if (held !== undefined) this.#print(held)
      }
    }
    this.#wake?.()
    this.#wake = undefined
  }

  /** Prints what is held back now, whatever is before it: nothing more comes. */
  flush(): void {
    const held = [...this.#held].sort(([a], [b]) => a - b)
    this.#held.clear()
    for (const [, result] of held) if (result !== undefined) this.#print(result)
  }
}

/**
 * What must be so whatever was killed when: it knows only what the processes wrote down before they asked, and after they were
 * answered.
 */

export interface Payload {
  readonly n: string
  readonly text: string
}

export type Line =
  | readonly ['submit', id: string, priority: string, payload: Payload]
  | readonly ['acked' | 'cancel' | 'cancelled' | 'moved' | 'requeue', id: string]
  | readonly ['refused' | 'failed', id: string, code: string]
  | readonly ['run', id: string, attempt: number, payload: Payload]
  | readonly ['told', id: string, result: string]
  | readonly ['kept', id: string, state: string, attempts: number]

interface Known {
  readonly order: number
  readonly priority: string
  readonly payload: string
  isAcked: boolean
  isTold: boolean
  isCancelled: boolean
  /** Its place, or the number of its life, may be another now. */
  isMoved: boolean
  isRequeued: boolean
  attempt: number
}

export class Judge {
  readonly #known = new Map<string, Known>()
  readonly problems: string[] = []
  acked = 0
  runs = 0
  again = 0

  /** One process, from its beginning to its end. */
  life(lines: readonly Line[], where: string): void {
    const before = new Set([...this.#known].filter(([, { isAcked }]) => isAcked).map(([id]) => id))
    /** By priority, the last of those that had come before and has started. */
    const last = new Map<string, number>()
    for (const line of lines) {
      const [what, id] = line
      const it = this.#known.get(id)
      if (what === 'submit') {
        const [, , priority, payload] = line
        this.#known.set(id, {
          ...{ order: this.#known.size, priority, payload: JSON.stringify(payload), attempt: 0 },
          ...{ isAcked: false, isTold: false, isCancelled: false, isMoved: false, isRequeued: false },
        })
      } else if (it === undefined) this.#says(where, line, 'was never submitted')
      else if (what === 'acked') {
        it.isAcked = true
        this.acked++
      } else if (what === 'told') {
        it.isTold = true
        if (line[2] !== `answer ${id}`) this.#says(where, line, 'is the answer of another')
      } else if (what === 'cancelled') it.isCancelled = true
      else if (what === 'moved') it.isMoved = true
      else if (what === 'requeue') {
        it.isRequeued = true
        it.attempt = 0
      } else if (what === 'run') this.#runs(it, line, where, before, last)
      else if (what === 'kept') this.#isKept(it, line, where)
    }
  }

  #runs(
    it: Known,
    line: Extract<Line, readonly ['run', ...unknown[]]>,
    where: string,
    before: Set<string>,
    last: Map<string, number>,
  ): void {
    const [, id, attempt, payload] = line
    this.runs++
    if (attempt > 1) this.again++
    if (JSON.stringify(payload) !== it.payload) this.#says(where, line, 'has another payload')
    if (it.isTold) this.#says(where, line, 'was told, and runs again')
    if (it.isCancelled && !it.isRequeued) this.#says(where, line, 'was cancelled, and runs')
    if (attempt <= it.attempt && !it.isRequeued) this.#says(where, line, `has run as attempt ${it.attempt} before`)
    // Whose first attempt it is, and that came in a former life.
    if (before.has(id) && attempt === 1 && !it.isMoved && !it.isRequeued && it.attempt === 0) {
      const order = last.get(it.priority) ?? -1
      if (it.order < order) this.#says(where, line, 'starts after one that came later')
      last.set(it.priority, Math.max(order, it.order))
    }
    it.attempt = attempt
  }

  #isKept(it: Known, line: Extract<Line, readonly ['kept', ...unknown[]]>, where: string): void {
    const [, id, state, attempts] = line
    if (['held', 'waiting', 'running'].includes(state)) this.#says(where, line, 'is live after all is done')
    if (attempts < it.attempt) this.#says(where, line, `has run as attempt ${it.attempt}`)
    if (it.isTold && state !== 'completed') this.#says(where, line, 'was told an answer')
    if (it.isCancelled && !it.isRequeued && state !== 'cancelled') this.#says(where, line, 'was cancelled')
    it.isAcked = false
    void id
  }

  /** All is done: what was acknowledged must have been among what is kept. */
  end(where: string): void {
    for (const [id, { isAcked }] of this.#known)
      if (isAcked) this.problems.push(`${where}: ${id} was acknowledged, and is lost`)
  }

  #says(where: string, line: Line, what: string): void {
    this.problems.push(`${where}: ${JSON.stringify(line).slice(0, 200)} ${what}`)
  }
}

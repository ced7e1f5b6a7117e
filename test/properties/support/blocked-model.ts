/**
 * Who is blocked, who waits, who runs: an executor with `whenFull: 'block'` as an array of callers. Everything settles
 * between two commands: bursts are the business of the exhaustive tests.
 */
export interface Bounds {
  readonly total: number
  /** The bound that the lowest priority has for itself. */
  readonly low: number
  readonly maxBlocked: number
}

export interface Caller {
  readonly n: number
  readonly signal: number | undefined
  /** When his wait is over, blocked or not. */
  readonly dueAt: number
  tier: number
  where: 'blocked' | 'waiting' | 'running' | 'over'
  /** What his promise of `submit()`, and then that of his result, must become. */
  admission: string
  result: string
}

const LOW = 3

export class BlockedModel {
  readonly bounds: Bounds
  limit: number
  now = 0
  readonly callers: Caller[] = []
  /** In the order in which they came in, and in which they started. */
  readonly admitted: number[] = []
  readonly started: number[] = []
  /** Calls that have not settled. */
  readonly calls: Caller[] = []
  /** What the promises of `ready()` must become. */
  readonly ready: { readonly tier: number; expected: string }[] = []
  isPaused = false
  isClosing = false
  #hasRefused = false
  /** Of those who wait, so many came in for a slot that is free, and start as soon as all have come in. */
  #promised = 0

  constructor(bounds: Bounds, limit: number) {
    this.bounds = bounds
    this.limit = limit
  }

  /** The blocked by priority, then as they came; the waiting by priority, then as they came in. */
  all(where: Caller['where']): Caller[] {
    const place = ({ n }: Caller): number => (where === 'blocked' ? n : this.admitted.indexOf(n))
    const all = this.callers.filter((caller) => caller.where === where)
    return all.toSorted((a, b) => a.tier - b.tier || place(a) - place(b))
  }

  arrive(arriving: Omit<Caller, 'where' | 'admission' | 'result'>): void {
    const caller: Caller = { ...arriving, where: 'blocked', admission: 'open', result: 'open' }
    const isTooMany = this.all('blocked').length >= this.bounds.maxBlocked
    this.callers.push(caller)
    if (this.isClosing) this.#over(caller, 'TRIAGE_QUEUE_CLOSED')
    else if (this.#hasRoom(caller.tier)) this.#admit(caller)
    else if (isTooMany) this.#over(caller, 'TRIAGE_QUEUE_FULL')
    this.#start()
  }

  leave(caller: Caller, why: string): void {
    const wasWaiting = caller.where === 'waiting'
    this.#over(caller, why)
    if (wasWaiting) this.#letIn()
    this.#start()
  }

  /** All who share a signal leave: none of them comes in for another one's place. */
  abort(signal: number): void {
    const leaving = this.callers.filter((caller) => caller.signal === signal && caller.where !== 'over')
    const hasRoom = leaving.some(({ where }) => where === 'waiting')
    for (const caller of leaving) this.#over(caller, 'aborted')
    if (hasRoom) this.#letIn()
    this.#start()
  }

  move(caller: Caller, tier: number): boolean {
    if (caller.where === 'waiting' && tier !== caller.tier && this.#isFullFor(tier)) return false
    caller.tier = tier
    this.#letIn()
    this.#start()
    return true
  }

  /** A call has settled: its slot is handed over, or let go. */
  finish(call: Caller): void {
    this.calls.splice(this.calls.indexOf(call), 1)
    if (call.where === 'running') this.#over(call, String(call.n))
    if (this.#free > 0 && this.all('waiting').length > 0) this.#startFirst()
    else this.#letIn()
    this.#start()
  }

  /** Time goes on: at each instant, all whose wait is over leave in the order in which they came. */
  pass(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const waiting = this.callers.filter(({ where }) => where === 'blocked' || where === 'waiting')
      this.now = Math.min(until, ...waiting.map(({ dueAt }) => dueAt))
      const due = waiting.filter(({ dueAt }) => dueAt <= this.now)
      for (const caller of due) this.leave(caller, 'TRIAGE_WAIT_TIMEOUT')
      this.turn()
      if (due.length === 0) return
    }
  }

  ask(tier: number): void {
    const expected = !this.#hasRefused && this.#hasRoom(tier) ? 'undefined' : 'open'
    this.ready.push({ tier, expected: this.isClosing ? 'TRIAGE_QUEUE_CLOSED' : expected })
  }

  /** The event loop has a turn: after a refusal, nobody is told of room before that. */
  turn(): void {
    if (!this.ready.some(({ expected }) => expected === 'open')) return
    this.#hasRefused = false
    this.#tell()
  }

  /** There may be more slots than before. */
  goOn(): void {
    this.#letIn()
    this.#start()
  }

  close(): void {
    this.isClosing = true
    this.isPaused = false
    for (const caller of this.all('blocked')) this.#over(caller, 'TRIAGE_QUEUE_CLOSED')
    for (const asked of this.ready) if (asked.expected === 'open') asked.expected = 'TRIAGE_QUEUE_CLOSED'
    this.#start()
  }

  get #free(): number {
    return this.isPaused ? 0 : this.limit - this.calls.length
  }

  #isFullFor(tier: number): boolean {
    return tier === LOW && this.all('waiting').filter((caller) => caller.tier === LOW).length >= this.bounds.low
  }

  #hasRoom(tier: number): boolean {
    if (this.#isFullFor(tier)) return false
    return this.#free > this.#promised || this.all('waiting').length - this.#promised < this.bounds.total
  }

  /** The blocked come in for as long as there is room, one priority after the other; then it is told that there is room. */
  #letIn(): void {
    if (this.isClosing) return
    for (let tier = 0; tier <= LOW; tier++) {
      for (const caller of this.all('blocked')) if (caller.tier === tier && this.#hasRoom(tier)) this.#admit(caller)
    }
    if (!this.#hasRefused) this.#tell()
  }

  #tell(): void {
    for (const asked of this.ready)
      if (asked.expected === 'open' && this.#hasRoom(asked.tier)) asked.expected = 'undefined'
  }

  #admit(caller: Caller): void {
    if (this.#free > this.#promised) this.#promised++
    caller.where = 'waiting'
    caller.admission = 'admitted'
    this.admitted.push(caller.n)
  }

  #start(): void {
    while (this.#free > 0 && this.all('waiting').length > 0) this.#startFirst()
  }

  #startFirst(): void {
    const caller = this.all('waiting')[0] as Caller
    caller.where = 'running'
    this.#promised = Math.max(this.#promised - 1, 0)
    this.calls.push(caller)
    this.started.push(caller.n)
    this.#letIn()
  }

  #over(caller: Caller, why: string): void {
    if (caller.admission === 'admitted') caller.result = why
    else {
      caller.admission = why
      this.#hasRefused = true
    }
    caller.where = 'over'
  }
}

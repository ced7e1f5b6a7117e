/**
 * The oracle: what an executor with two slots must do, told with plain arrays and in the words of the README.
 *
 * It knows of the program only what matters to the interleaving: which microtasks are on their way, and in which order.
 */

import { inOrder, type ModelCall, type Modelled } from './modelled.ts'
import { fails, LOW, NORMAL, RUN_MS, type Setting, SLOTS, URGENT, WAIT_MS } from './setting.ts'

export class Model {
  readonly setting: Setting
  now = 0
  readonly requests: Modelled[] = []
  /** Who waits, in the order of admission; and who is blocked, in the order in which they came. */
  waiting: Modelled[] = []
  blocked: Modelled[] = []
  /** Calls that have not settled. */
  calls: ModelCall[] = []
  readonly started: number[] = []
  readonly admitted: number[] = []
  /** Microtasks on their way, first one first. */
  tasks: (ModelCall | 'dispatch')[] = []
  limit = SLOTS
  paused = false
  closing = false
  closed = false
  /** Whether somebody found no room. */
  wasFull = false
  /** How often it has become idle. */
  idles = 0
  /** Of those who wait, so many have found a free slot, and don't count against the bound. */
  promised = 0
  /** Slots that are taken: those of the calls, and one that is being handed over. */
  taken = 0
  #busy = false
  /** What the next `low` one listens to. */
  signal = { aborted: false }

  constructor(setting: Setting) {
    this.setting = setting
  }

  get stuck(): ModelCall[] {
    return this.calls.filter((call) => call.stuck)
  }

  get live(): Modelled[] {
    return this.requests.filter(({ state }) => state !== 'over')
  }

  /** Who waits, in the order in which they would start. */
  get line(): Modelled[] {
    return this.waiting.toSorted((a, b) => a.tier - b.tier || this.admitted.indexOf(a.n) - this.admitted.indexOf(b.n))
  }

  get #slotsStuck(): number {
    return this.stuck.reduce((sum, { request }) => sum + request.cost, 0)
  }

  get #free(): number {
    const substitutes = this.setting.onStuck === 'replace' ? this.#slotsStuck : 0
    return this.limit + substitutes - this.taken
  }

  /** Runs the microtasks that are on their way now, and not those that they bring. */
  tick(): void {
    for (const task of this.tasks.splice(0)) {
      if (task === 'dispatch') this.#dispatch()
      else this.#settle(task)
      this.rest()
    }
  }

  answer(): void {
    const call = this.calls.find(({ answered }) => !answered) as ModelCall
    call.answered = true
    this.tasks.push(call)
  }

  cancel(): void {
    this.#leave(this.youngest as Modelled, 'TRIAGE_CANCELLED')
  }

  raise(): void {
    const request = this.youngest as Modelled
    request.tier = URGENT
    this.#goOn()
  }

  abort(): void {
    const { signal } = this
    this.signal = { aborted: false }
    signal.aborted = true
    for (const request of this.requests) if (request.signal === signal) this.#leave(request, 'aborted')
  }

  /** Time goes on: first all whose wait is over, then the runs. */
  time(): void {
    const now = this.nextDueAt
    this.now = now
    for (const request of this.requests) {
      if (request.state !== 'running' && request.waitDueAt <= now)
        this.#leave(request, 'TRIAGE_WAIT_TIMEOUT', 'expired')
    }
    for (const call of this.calls) {
      if (call.stuck || call.dueAt > now) continue
      if (call.request.state === 'running') this.#end(call.request, 'TRIAGE_RUN_TIMEOUT', 'expired')
      call.stuck = true
      call.request.history.push('stuck')
      this.#goOn()
    }
  }

  pause(): void {
    this.paused = !this.paused
    if (!this.paused) this.#goOn()
  }

  resize(): void {
    this.limit = this.limit === SLOTS ? 1 : SLOTS
    this.#goOn()
  }

  close(): void {
    this.closing = true
    for (const request of this.blocked.toSorted(inOrder)) this.#refuse(request, 'TRIAGE_QUEUE_CLOSED')
    this.paused = false
    this.#goOn()
  }

  /** The one that `cancel` and `raise` are about. */
  get youngest(): Modelled | undefined {
    return this.requests.findLast(({ hasId, state }) => hasId && (state === 'waiting' || state === 'blocked'))
  }

  get nextDueAt(): number {
    const waits = [...this.waiting, ...this.blocked].map(({ waitDueAt }) => waitDueAt)
    const runs = this.calls.filter(({ stuck }) => !stuck).map(({ dueAt }) => dueAt)
    return Math.min(...waits, ...runs)
  }

  submit(tier: number): void {
    const isLow = tier === LOW
    const request: Modelled = {
      n: this.requests.length,
      hasId: tier !== URGENT,
      cost: tier === NORMAL ? SLOTS : 1,
      tier,
      waitDueAt: isLow ? this.now + WAIT_MS : Number.POSITIVE_INFINITY,
      signal: isLow ? this.signal : undefined,
      state: 'blocked',
      outcome: undefined,
      history: [],
    }
    this.requests.push(request)
    if (this.closing) this.#refuse(request, 'TRIAGE_QUEUE_CLOSED')
    else if (this.#hasRoom(request) && this.blocked.length === 0) this.#admit(request)
    else this.#findsItFull(request)
  }

  #findsItFull(request: Modelled): void {
    this.wasFull = true
    const { whenFull, maxQueueSize, maxBlocked } = this.setting
    // The place of one is not enough for all to whom a slot was promised.
    const isEnough = request.cost === 1 || this.waiting.length <= maxQueueSize
    const victim = whenFull === 'shed' && isEnough ? this.line.findLast(({ tier }) => tier > request.tier) : undefined
    if (whenFull === 'block' && this.blocked.length < maxBlocked) {
      request.history.push('blocked')
      this.blocked.push(request)
      this.#busy = true
    } else if (victim !== undefined) {
      this.#end(victim, 'TRIAGE_SHED', 'shed')
      // It has the place of another: no slot was free.
      this.#admit(request, false)
    } else this.#refuse(request, 'TRIAGE_QUEUE_FULL')
  }

  /** Nothing is promised while somebody waits who takes several slots: what he leaves is known when he starts. */
  #slotIsFreeFor({ cost }: Modelled): boolean {
    const isNarrow = cost === 1 && this.waiting.every((other) => other.cost === 1)
    return isNarrow && !this.paused && this.#free > this.promised
  }

  /** One who takes several slots counts as waiting, and with him all to whom a slot was promised. */
  #hasRoom(request: Modelled): boolean {
    const waiting = this.waiting.length - (request.cost > 1 ? 0 : this.promised)
    return this.#slotIsFreeFor(request) || waiting < this.setting.maxQueueSize
  }

  #admit(request: Modelled, isPromised = this.#slotIsFreeFor(request)): void {
    if (isPromised) this.promised++
    else if (request.cost > 1) this.promised = 0
    request.state = 'waiting'
    request.history.push('queued')
    this.waiting.push(request)
    this.admitted.push(request.n)
    this.#busy = true
    this.#schedule()
  }

  /** Those who are blocked come in until there is no room for the first of them. */
  #madeRoom(): void {
    if (this.closing) return
    for (const request of this.blocked.toSorted(inOrder)) {
      if (!this.#hasRoom(request)) return
      if (request.signal?.aborted) this.#refuse(request, 'aborted')
      else {
        this.blocked = this.blocked.filter((other) => other !== request)
        this.#admit(request)
      }
    }
  }

  #goOn(): void {
    this.#schedule()
    this.#madeRoom()
  }

  #schedule(): void {
    if (this.paused || this.#free <= 0 || this.waiting.length === 0 || this.tasks.includes('dispatch')) return
    this.tasks.push('dispatch')
  }

  #dispatch(): void {
    while (this.#canStart(this.#free)) {
      this.taken++
      this.#start()
    }
  }

  /** Are so many free slots enough for the first one? Who takes more than there are runs alone. */
  #canStart(free: number): boolean {
    const [first] = this.line
    return !this.paused && first !== undefined && free >= Math.min(first.cost, this.limit)
  }

  /** The first of the line starts in a slot that is taken for it, and in those that it takes besides. */
  #start(): void {
    const request = this.line[0] as Modelled
    this.waiting = this.waiting.filter((other) => other !== request)
    this.promised = Math.max(this.promised - 1, 0)
    request.state = 'running'
    this.taken += request.cost - 1
    this.#madeRoom()
    request.history.push('started')
    this.calls.push({ request, dueAt: this.now + RUN_MS, answered: false, stuck: false })
    this.started.push(request.n)
  }

  /** A call has settled: its slot is handed over, or let go; those that it took besides are free. */
  #settle(call: ModelCall): void {
    this.calls = this.calls.filter((other) => other !== call)
    this.taken -= call.request.cost - 1
    if (call.request.cost > 1) this.#schedule()
    if (call.request.state === 'running') this.#end(call.request, fails(call.request.n) ? 'failed' : 'completed')
    if (this.#canStart(this.#free + 1)) this.#start()
    else {
      this.taken--
      this.#madeRoom()
    }
  }

  #leave(request: Modelled, why: string, event = 'cancelled'): void {
    if (request.state === 'over') return
    const wasWaiting = request.state === 'waiting'
    if (request.state === 'blocked') this.#refuse(request, why)
    else this.#end(request, why, event)
    if (wasWaiting) this.#goOn()
  }

  #refuse(request: Modelled, why: string): void {
    this.blocked = this.blocked.filter((other) => other !== request)
    this.#over(request, why, 'rejected')
  }

  #end(request: Modelled, outcome: string, event = outcome): void {
    this.waiting = this.waiting.filter((other) => other !== request)
    this.promised = Math.min(this.promised, this.waiting.length)
    this.#over(request, outcome, event)
  }

  #over(request: Modelled, outcome: string, event: string): void {
    request.state = 'over'
    request.outcome = `${outcome}@${this.now}`
    request.history.push(event)
  }

  /** Has it become idle, or closed? */
  rest(): void {
    if (this.live.length > 0 || this.taken > this.#slotsStuck) return
    if (this.#busy) this.idles++
    this.#busy = false
    if (this.closing) this.closed = true
  }
}

/**
 * The oracle: what an executor with two slots must do, told with plain arrays and in the words of the README.
 *
 * It knows of the program only what matters to the interleaving: which microtasks are on their way, and in which order.
 */
import { fails, LOW, RUN_MS, type Setting, SLOTS, URGENT, WAIT_MS } from './commands.ts'
import { inOrder, type ModelCall, type Modelled } from './modelled.ts'

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

  get #free(): number {
    const substitutes = this.setting.onStuck === 'replace' ? this.stuck.length : 0
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
    this.#leave(this.youngestLow as Modelled, 'TRIAGE_CANCELLED')
  }

  raise(): void {
    const request = this.youngestLow as Modelled
    request.tier = URGENT
    this.#madeRoom()
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
  get youngestLow(): Modelled | undefined {
    return this.requests.findLast(({ isLow, state }) => isLow && (state === 'waiting' || state === 'blocked'))
  }

  get nextDueAt(): number {
    const waits = [...this.waiting, ...this.blocked].map(({ waitDueAt }) => waitDueAt)
    const runs = this.calls.filter(({ stuck }) => !stuck).map(({ dueAt }) => dueAt)
    return Math.min(...waits, ...runs)
  }

  submit(isLow: boolean): void {
    const request: Modelled = {
      n: this.requests.length,
      isLow,
      tier: isLow ? LOW : URGENT,
      waitDueAt: isLow ? this.now + WAIT_MS : Number.POSITIVE_INFINITY,
      signal: isLow ? this.signal : undefined,
      state: 'blocked',
      outcome: undefined,
      history: [],
    }
    this.requests.push(request)
    if (this.closing) this.#refuse(request, 'TRIAGE_QUEUE_CLOSED')
    else if (this.#hasRoom) this.#admit(request)
    else this.#findsItFull(request)
  }

  #findsItFull(request: Modelled): void {
    this.wasFull = true
    const { whenFull, maxBlocked } = this.setting
    const victim = whenFull === 'shed' ? this.line.findLast(({ tier }) => tier > request.tier) : undefined
    if (whenFull === 'block' && this.blocked.length < maxBlocked) {
      request.history.push('blocked')
      this.blocked.push(request)
      this.#busy = true
    } else if (victim !== undefined) {
      this.#end(victim, 'TRIAGE_SHED', 'shed')
      this.#admit(request)
    } else this.#refuse(request, 'TRIAGE_QUEUE_FULL')
  }

  get #slotIsFree(): boolean {
    return !this.paused && this.#free > this.promised
  }

  get #hasRoom(): boolean {
    return this.#slotIsFree || this.waiting.length - this.promised < this.setting.maxQueueSize
  }

  #admit(request: Modelled): void {
    if (this.#slotIsFree) this.promised++
    request.state = 'waiting'
    request.history.push('queued')
    this.waiting.push(request)
    this.admitted.push(request.n)
    this.#busy = true
    this.#schedule()
  }

  /** Those who are blocked come in for as long as there is room. */
  #madeRoom(): void {
    if (this.closing) return
    for (const request of this.blocked.toSorted(inOrder)) {
      if (!this.#hasRoom) return
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
    while (!this.paused && this.#free > 0 && this.waiting.length > 0) {
      this.taken++
      this.#start()
    }
  }

  /** The first of the line starts in a slot that is taken for it. */
  #start(): void {
    const request = this.line[0] as Modelled
    this.waiting = this.waiting.filter((other) => other !== request)
    this.promised = Math.max(this.promised - 1, 0)
    request.state = 'running'
    this.#madeRoom()
    request.history.push('started')
    this.calls.push({ request, dueAt: this.now + RUN_MS, answered: false, stuck: false })
    this.started.push(request.n)
  }

  /** A call has settled: its slot is handed over, or let go. */
  #settle(call: ModelCall): void {
    this.calls = this.calls.filter((other) => other !== call)
    if (call.request.state === 'running') this.#end(call.request, fails(call.request.n) ? 'failed' : 'completed')
    if (!this.paused && this.#free >= 0 && this.waiting.length > 0) this.#start()
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
    if (wasWaiting) this.#madeRoom()
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
    if (this.live.length > 0 || this.taken > this.stuck.length) return
    if (this.#busy) this.idles++
    this.#busy = false
    if (this.closing) this.closed = true
  }
}

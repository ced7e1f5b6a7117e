/**
 * Plays interleavings on an executor and on the model, and holds the one against the other after every command.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Command, changes, isRequest, perform } from './commands.ts'
import { interleavings, type Move, nameOf, pass, type Tree } from './interleavings.ts'
import { Model } from './model.ts'
import type { ModelCall } from './modelled.ts'
import { SLOTS } from './setting.ts'
import { World } from './world.ts'

/** More than it takes until a microtask of a microtask has answered a caller. */
const HOPS = 8

const totals = ['queued', 'rejected', 'completed', 'failed', 'expired', 'cancelled', 'shed'] as const
type Counts = Record<(typeof totals)[number], number>

/** Plays a whole tree. Returns how many interleavings there were: each of its paths from the start. */
export async function playAll(tree: Tree): Promise<number> {
  let world = new World(tree)
  let counts = noCounts()
  let last: readonly Move[] = []
  let covered = 0
  for (const path of interleavings(tree)) {
    let known = 0
    while (known < last.length && path[known] === last[known]) known++
    covered += path.length - known
    last = path
    const player = new Player(tree, path, world, counts)
    try {
      await player.play(known)
    } catch (error) {
      throw new Error(`After ${nameOf(tree, path.slice(0, player.played))}: ${(error as Error).message}`, {
        cause: error,
      })
    }
    if (!player.model.closed) continue
    world = new World(tree)
    counts = noCounts()
  }
  return covered
}

class Player {
  readonly model: Model
  /** How many commands of the path have been played. */
  played = 0
  readonly #tree: Tree
  readonly #path: readonly Move[]
  readonly #world: World
  /** The totals of the interleavings that the executor has been through before. */
  readonly #before: Counts

  constructor(tree: Tree, path: readonly Move[], world: World, before: Counts) {
    this.model = new Model(tree.setting)
    this.#tree = tree
    this.#path = path
    this.#world = world
    this.#before = before
  }

  /** The first `known` commands have been looked at before. */
  async play(known: number): Promise<void> {
    this.#world.reset()
    for (const command of this.#tree.start) this.#do(command)
    await this.#settle()
    for (const { when, command } of this.#path) {
      if (when === 'when all is settled') {
        await this.#settle()
        if (this.played >= known) this.#checkSettled()
      } else if (when === 'a microtask later') {
        // Here, since awaiting a function takes some microtasks more.
        await undefined
        pass(this.model, when)
      }
      this.#do(command)
      if (this.played++ < known) continue
      this.#check()
      if (this.played < this.#path.length) this.#checkNumbers()
      else this.#tryWhatChangesNothing()
    }
    await this.#end()
  }

  #do(command: Command): void {
    this.#world.do(command, this.model)
    perform(this.model, command)
  }

  async #settle(): Promise<void> {
    for (let hops = HOPS; hops > 0; hops--) await undefined
    pass(this.model, 'when all is settled')
  }

  /** A cancel of nobody, a pause or a request after the end: the next command is not about them. */
  #tryWhatChangesNothing(): void {
    for (const command of this.#tree.alphabet) {
      if (changes(this.model, command)) continue
      if (isRequest(command)) this.#do(command)
      else if (command !== 'time' && command !== 'answer') this.#world.do(command, this.model)
    }
    this.#check()
  }

  /** Lets all that is left end, so that the executor is idle again, and looks back. */
  async #end(): Promise<void> {
    await nextTurn()
    pass(this.model, 'when all is settled')
    this.#check()
    this.#checkSettled()
    const { model } = this
    if (model.paused) this.#do('pause')
    if (model.limit !== SLOTS) this.#do('resize')
    for (let rounds = 0; model.live.length + model.calls.length > 0; rounds++) {
      if (rounds > 3 * model.requests.length) throw new Error('it does not end')
      if (changes(model, 'answer')) this.#do('answer')
      await this.#settle()
    }
    this.#check()
    this.#checkSettled()
    same('timers that are left', this.#world.clock.timers.size, 0)
    same('promises of close() that are open', this.#world.closing, 0)
    for (const { history } of model.requests) for (const event of history) if (isTotal(event)) this.#before[event]++
  }

  /** What can be seen at once: who starts, who stands where, and what was told. */
  #check(): void {
    const { model } = this
    const { executor, started, startedOnStack, histories, idles } = this.#world
    same('starts', started.join(), model.started.join())
    same('starts on the stack of a caller', startedOnStack, false)
    const line = model.line
    for (const request of model.requests) {
      const { n, hasId, history } = request
      const place = request.state === 'waiting' ? line.indexOf(request) : undefined
      if (hasId) same(`the position of request ${n}`, executor.position(`${n}`), place)
      if (this.#tree.isWatched) same(`what happened to request ${n}`, histories[n]?.join(' '), history.join(' '))
    }
    if (this.#tree.isWatched) same("'idle' events", idles, model.idles)
  }

  /** What can be seen when all is settled: what the callers were told. */
  #checkSettled(): void {
    for (const { n, outcome } of this.model.requests) {
      same(`the answer to request ${n}`, this.#world.outcomes[n], outcome)
    }
  }

  /** The numbers, and with them the laws: conservation, the bound, the slots. */
  #checkNumbers(): void {
    const { model } = this
    const status = this.#world.executor.getStatus()
    const { waiting, live, blocked, promised, stuck } = model
    const running = live.filter(({ state }) => state === 'running').length
    const slotsOf = (calls: readonly ModelCall[]): number => calls.reduce((sum, { request }) => sum + request.cost, 0)
    const substitutes = model.setting.onStuck === 'replace' ? slotsOf(stuck) : 0
    same('waiting', status.waiting, waiting.length - promised)
    same('running', status.running, running + promised)
    same('blocked', status.blocked, blocked.length)
    same('active workers', status.activeWorkers, model.taken + promised)
    same('stuck workers', status.stuckWorkers, slotsOf(stuck))
    same('state', status.state, model.closed ? 'closed' : model.closing ? 'closing' : model.paused ? 'paused' : 'open')
    atMost('waiting', status.waiting, model.setting.maxQueueSize)
    const taken = this.#world.calls.reduce((sum, { n }) => sum + (model.requests[n]?.cost ?? 0), 0)
    atMost('slots that calls have taken', taken, SLOTS + substitutes)
    const { admitted, rejected, completed, failed, expired, cancelled, shed } = status.totals
    same('admitted', admitted, completed + failed + expired + cancelled + shed + status.waiting + status.running)
    const counts: Counts = {
      queued: admitted,
      rejected,
      completed,
      failed,
      expired,
      cancelled,
      shed,
    }
    for (const event of totals) {
      const now = model.requests.filter(({ history }) => history.includes(event)).length
      same(event, counts[event], this.#before[event] + now)
    }
    for (const { n, hasId, state } of model.requests) {
      const expected = state === 'over' ? undefined : state
      if (hasId) same(`the state of request ${n}`, this.#world.executor.get(`${n}`)?.state, expected)
    }
  }
}

function isTotal(event: string): event is keyof Counts {
  return (totals as readonly string[]).includes(event)
}

function noCounts(): Counts {
  return {
    queued: 0,
    rejected: 0,
    completed: 0,
    failed: 0,
    expired: 0,
    cancelled: 0,
    shed: 0,
  }
}

function same<T>(what: string, found: T, expected: T): void {
  if (found !== expected) throw new Error(`${what}: ${found}, but the model says ${expected}`)
}

function atMost(what: string, found: number, most: number): void {
  if (found > most) throw new Error(`${what}: ${found}, but the most is ${most}`)
}

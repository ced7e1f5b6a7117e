/**
 * What may be done with one request by its id, and by the generation that was seen of it.
 *
 * An id has one life after another. Between the look at the generation and the change nothing else happens, so that a later life is
 * never hit; where the executor is elsewhere, nothing but the way of the change to it.
 */
import type { Priority } from '../core/priority.ts'
import type { Maybe } from '../index.ts'
import type { LocalHandle, ServedExecutor } from './executor-like.ts'
import type { Change, Kept } from './kept.ts'
import type { LiveRequests } from './live-requests.ts'
import { HttpProblem } from './problem.ts'

interface ChangesParts {
  readonly executor: ServedExecutor
  readonly kept: Kept
  readonly live: LiveRequests
  /** Of the life that is here, or of the last one. */
  generationOf(id: string): Promise<number | undefined>
  /** Of the life that is here; undefined: nothing was told of it yet. */
  liveGenerationOf(id: string): Promise<number | undefined>
  stateOf(id: string): Promise<string | undefined>
}

/** How often it is looked again, since another life has come meanwhile. An executor that makes each handle anew always says so. */
const MAX_LOOKS = 5
/** Where it matters only what it is. */
const bare = { seesAll: false, exposeErrors: false }

export class Changes {
  readonly #parts: ChangesParts

  constructor(parts: ChangesParts) {
    this.#parts = parts
  }

  /** @param generation undefined: that of whichever lives */
  cancel(id: string, generation: number | undefined, isDryRun = false): Promise<Change> {
    const { executor } = this.#parts
    return this.#ofLive(id, generation, async () => (isDryRun || (await executor.cancel(id)) ? 'done' : 'ended'))
  }

  setPriority(id: string, priority: Priority, generation: number | undefined, isDryRun = false): Promise<Change> {
    const { live } = this.#parts
    return this.#ofLive(id, generation, async (handle) => {
      if (isDryRun) return handle.state === 'running' ? 'not-waiting' : 'done'
      const shown = live.get(id)
      if (!(await handle.setPriority(priority))) return 'not-waiting'
      if (live.get(id) === shown) live.moves(id, priority)
      return 'done'
    })
  }

  /** @param act begins at once with what it does */
  async #ofLive(
    id: string,
    generation: number | undefined,
    act: (handle: LocalHandle) => Promise<Change>,
  ): Promise<Change> {
    const { executor } = this.#parts
    for (let looks = 1; ; looks++) {
      const got = executor.get(id) as Maybe<LocalHandle | undefined>
      const handle = await got
      if (handle === undefined) return this.#ofNoneLive(id, generation)
      const here = generation === undefined ? undefined : ((await this.#parts.liveGenerationOf(id)) ?? 0)
      // The same handle before and after: it lived all the while, and its generation is the one that was read.
      const isSure = got instanceof Promise || looks === MAX_LOOKS || executor.get(id) === handle
      if (isSure) return here === generation ? act(handle) : 'stale'
    }
  }

  async #ofNoneLive(id: string, generation: number | undefined): Promise<Change> {
    const kept = await this.#parts.kept.view(id, bare)
    if (kept === undefined) return 'missing'
    return generation === undefined || kept.generation === generation ? 'ended' : 'stale'
  }

  /** A dead letter, once more. */
  async requeue(id: string, generation: number, isDryRun = false): Promise<Change> {
    return (await this.#barred(id, generation)) ?? (isDryRun ? 'done' : this.#parts.kept.requeue(id, generation))
  }

  /** Forgets a dead letter. */
  async discard(id: string, generation: number | undefined, isDryRun = false): Promise<Change> {
    return (await this.#barred(id, generation)) ?? (isDryRun ? 'done' : this.#parts.kept.discard(id, generation))
  }

  /** What stands in the way of a change of a dead letter. Whoever keeps it looks at the generation once more. */
  async #barred(id: string, generation: number | undefined): Promise<Change | undefined> {
    const here = await this.#parts.generationOf(id)
    if (here === undefined) return 'missing'
    if (generation !== undefined && here !== generation) return 'stale'
    return (await this.#parts.stateOf(id)) === 'dead' ? undefined : 'not-dead'
  }
}

/** @throws {HttpProblem} for all that was not done */
export function requireDone(change: Change): void {
  if (change === 'missing') throw new HttpProblem(404, 'NOT_FOUND')
  if (change === 'stale') throw new HttpProblem(412, 'STALE')
  if (change === 'ended') throw new HttpProblem(409, 'ENDED')
  if (change === 'not-waiting') throw new HttpProblem(409, 'NOT_WAITING')
  if (change === 'not-dead') throw new HttpProblem(409, 'NOT_DEAD')
  if (change === 'not-offered') throw new HttpProblem(404, 'NOT_OFFERED')
}

/**
 * Which interleavings are there? Found with the model alone, before any is played.
 *
 * Four rules leave out what would only be played twice:
 * - A command that changes nothing is not gone on from: what follows is what follows without it.
 * - Microtasks run between two commands only when there are any.
 * - An answer is a microtask, and nothing before: what it could as well come after, it comes after.
 * - Where nobody ever found the queue full, all bounds and all modes are the same: `onlyFull` leaves those out.
 */
import { type Command, changes, perform } from './commands.ts'
import { Model } from './model.ts'
import type { Setting } from './setting.ts'

/** What happens before a command: nothing, so that it is in the same burst; one microtask of each; or all there are. */
export type When = 'in the same burst' | 'a microtask later' | 'when all is settled'

export interface Move {
  readonly when: When
  readonly command: Command
}

export interface Tree {
  readonly setting: Setting
  readonly alphabet: readonly Command[]
  /** Played before, and settled. */
  readonly start: readonly Command[]
  readonly depth: number
  readonly onlyFull: boolean
  /** Does anybody listen to the executor's events? */
  readonly isWatched: boolean
}

/** The longest ones of a tree; all shorter ones are their beginnings. */
export function* interleavings(tree: Tree, path: readonly Move[] = []): Generator<readonly Move[]> {
  let isLast = true
  if (path.length < tree.depth) {
    for (const move of movesAfter(tree, path)) {
      isLast = false
      yield* interleavings(tree, [...path, move])
    }
  }
  if (isLast && (!tree.onlyFull || modelAfter(tree, path).wasFull)) yield path
}

function* movesAfter(tree: Tree, path: readonly Move[]): Generator<Move> {
  for (const when of whensAfter(tree, path)) {
    const model = modelAfter(tree, path)
    pass(model, when)
    for (const command of tree.alphabet) {
      if (!changes(model, command)) continue
      // Time passes only when there is nothing left to do without it.
      if (command === 'time') {
        if (model.tasks.length === 0) yield { when: 'when all is settled', command }
      } else if (when !== 'in the same burst' || !isSwapped(tree, path, command)) yield { when, command }
    }
  }
}

/** Does it come after an answer, with which it could as well change places? */
function isSwapped(tree: Tree, path: readonly Move[], command: Command): boolean {
  if (path.at(-1)?.command !== 'answer' || command === 'answer') return false
  const model = modelAfter(tree, path)
  const { length } = model.tasks
  perform(model, command)
  return model.tasks.length === length
}

function whensAfter(tree: Tree, path: readonly Move[]): When[] {
  const model = modelAfter(tree, path)
  if (model.tasks.length === 0) return ['in the same burst']
  model.tick()
  if (model.tasks.length === 0) return ['in the same burst', 'when all is settled']
  return ['in the same burst', 'a microtask later', 'when all is settled']
}

function modelAfter({ setting, start }: Tree, path: readonly Move[]): Model {
  const model = new Model(setting)
  for (const command of start) perform(model, command)
  pass(model, 'when all is settled')
  for (const { when, command } of path) {
    pass(model, when)
    perform(model, command)
  }
  return model
}

export function pass(model: Model, when: When): void {
  if (when === 'in the same burst') return
  model.tick()
  if (when === 'when all is settled') while (model.tasks.length > 0) model.tick()
}

const marks: Record<When, string> = {
  'in the same burst': ', ',
  'a microtask later': ' · ',
  'when all is settled': ' | ',
}

/** In one line: commas within a burst, a dot for one microtask, a bar where all has settled. */
export function nameOf({ start }: Tree, path: readonly Move[]): string {
  const name = path.map(({ when, command }) => marks[when] + command).join('')
  return start.length === 0 ? name.slice(marks['in the same burst'].length) : start.join(', ') + name
}

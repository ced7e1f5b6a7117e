/**
 * Model-based properties: fast-check makes up commands, does each to the real thing and to a model made of arrays, and
 * shrinks what makes the two differ.
 */
import fc from 'fast-check'
import { test } from 'vitest'

/** On a machine that has much else to do. */
export const PATIENCE_MS = 60_000

/** A command with its name, for the report. `check`: when it makes sense. */
export function command<M extends object, R>(
  name: string,
  run: (model: M, real: R) => void | Promise<void>,
  check: (model: Readonly<M>) => boolean = () => true,
): fc.AsyncCommand<M, R> {
  return { check, run: async (model, real) => run(model, real), toString: () => name }
}

/** A pair to hold against each other. */
export interface Pair<M, R> {
  readonly model: M
  readonly real: R
}

/** The test that a model and the real thing agree, whatever is done to them: `agree` is asked after each command. */
export function agrees<M extends object, R, S>(
  promise: string,
  {
    setting,
    make,
    commands,
    agree,
    end,
    runs = 200,
    maxCommands = 60,
  }: {
    setting: fc.Arbitrary<S>
    make: (setting: S) => Pair<M, R>
    commands: fc.Arbitrary<fc.AsyncCommand<M, R>>[]
    agree: (model: M, real: R) => void | Promise<void>
    end?: (model: M, real: R) => Promise<void>
    runs?: number
    maxCommands?: number
  },
): void {
  const checked = commands.map((arbitrary) => arbitrary.map((each) => checkedAfter(each, agree)))
  const property = fc.asyncProperty(
    setting,
    fc.commands(checked, { maxCommands, size: 'max' }),
    async (setting, commands) => {
      const pair = make(setting)
      await fc.asyncModelRun(() => pair, commands)
      await end?.(pair.model, pair.real)
    },
  )
  test(promise, () => fc.assert(property, { numRuns: runs }), PATIENCE_MS)
}

function checkedAfter<M extends object, R>(
  inner: fc.AsyncCommand<M, R>,
  agree: (model: M, real: R) => void | Promise<void>,
): fc.AsyncCommand<M, R> {
  return {
    check: (model) => inner.check(model),
    run: async (model, real) => {
      await inner.run(model, real)
      await agree(model, real)
    },
    toString: () => inner.toString(),
  }
}

/** What has become of a promise that was handed out: 'open', or a word for its end. */
export class Outcome {
  word = 'open'

  constructor(promise: Promise<unknown>, wordOf: (value: unknown) => string = String) {
    promise.then(
      (value) => this.#ends(wordOf(value)),
      (error) => this.#ends(error?.code ?? error?.message ?? String(error)),
    )
  }

  #ends(word: string): void {
    this.word = this.word === 'open' ? word : `${this.word}, then ${word}`
  }
}

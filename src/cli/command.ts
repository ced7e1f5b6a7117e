/**
 * What is a command? Plain data: from it come the parser, `--help`, `docs/cli.md` and the completion of shells.
 */
import { type Parse, times } from './parse.ts'

/** An option with a value, or a switch without one. */
export interface Flag<T> {
  /** `'-j, --jobs <n>'`; a switch has no `<…>`. */
  readonly flags: string
  readonly what: string
  /** Undefined: it is a switch. */
  readonly parse: Parse<T> | undefined
  readonly default: T
  /** It may stand there several times. */
  readonly isMany?: boolean
  /** A part of the command line alone, and neither of the environment nor of a file. */
  readonly isLocal?: boolean
}

export type Flags = { readonly [name: string]: Flag<unknown> }

/** What has been chosen, each by the flag, the environment, the file, or as the default. */
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }

interface Argument {
  /** `'<module>'`, `'[url]'`, `'[id...]'` */
  readonly name: string
  readonly what: string
}

/** How a command is called, besides its options. */
export interface Call {
  readonly args: readonly string[]
  /** What stands behind `--`; undefined: there is none. */
  readonly rest: readonly string[] | undefined
  /** Was it said, by a flag, the environment or the file? */
  isGiven(name: string): boolean
}

export interface Command<F extends Flags = Flags> {
  readonly name: string
  readonly summary: string
  /** More than the summary, for `--help` and the page. */
  readonly about: string
  readonly args: readonly Argument[]
  /** `'-- command {}'`, where one may stand. */
  readonly rest?: string
  readonly flags: F
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** The exit code; undefined: 0. */
  run(values: Values<F>, call: Call): Promise<number | undefined>
}

/** An option that has a value when nobody says one. */
export function option<T>(flags: string, what: string, parse: Parse<T>, otherwise: T): Flag<T> {
  return { flags, what, parse, default: otherwise }
}

/** An option that may be left out. */
export function optional<T>(flags: string, what: string, parse: Parse<T>): Flag<T | undefined> {
  return { flags, what, parse, default: undefined }
}

export function toggle(flags: string, what: string): Flag<boolean> {
  return { flags, what, parse: undefined, default: false }
}

/** `'--max-queue-size <n>'`: `max-queue-size` */
export function longName({ flags }: Flag<unknown>): string {
  return /--([\w-]+)/.exec(flags)?.[1] as string
}

/** `TRIAGE_CLI_MAX_QUEUE_SIZE`. Not `TRIAGE_QUEUE_…`: Kubernetes sets those for a Service of that name. */
export function variableOf(flag: Flag<unknown>): string {
  return `TRIAGE_CLI_${longName(flag).replaceAll('-', '_').toUpperCase()}`
}

/** The default, as one would write it. */
export function defaultOf({ parse, default: value }: Flag<unknown>): string | undefined {
  if (typeof value === 'number' && times.has(parse)) return value % 1_000 === 0 ? `${value / 1_000}s` : `${value}ms`
  return typeof value === 'number' || typeof value === 'string' ? `${value}` : undefined
}

/** Keeps the types of the flags while it is written down. */
export function defineCommand<F extends Flags>(command: Command<F>): Command {
  return command as unknown as Command
}

/**
 * What is a subject of the durable bench? Something that has what it acknowledges on the disk. One file for each.
 */
export interface DurableSubject {
  /** Versions, and how it is set. */
  readonly about: string
  /** @param folder empty, on a disk @param port of the Redis that is running, if any */
  open(folder: string, port: number): Promise<Opened>
  /** With a function that answers; undefined: it can't. */
  execute?(folder: string, port: number, slots: number): Promise<Answering>
  /** Why it can't. */
  readonly noExecute?: string
}

export interface Opened {
  /** Fulfils when it is on the disk. */
  acknowledge(id: string, text: string): Promise<unknown>
  /** How many it has, and what it has of some of them. */
  verify(ids: readonly string[]): Promise<{ readonly count: number; readonly texts: readonly string[] }>
  close(): Promise<void>
}

export interface Answering {
  /** The answer of a function to which `text` was given: `answerTo(text)`. */
  execute(id: string, text: string): Promise<string>
  close(): Promise<void>
}

/** What the function answers: short, and different for each. */
export function answerTo(text: string): string {
  return `${text.length} ${text.slice(0, 40)}`
}

/** 1 KiB, different for each. */
export function textOf(id: string): string {
  return `${id} `.padEnd(1_024, 'lorem ipsum dolor sit amet ')
}

/**
 * What the model knows of a request, and of a call.
 */
export interface Modelled {
  readonly n: number
  /** It came with an id, by which it can be asked for. */
  readonly hasId: boolean
  /** How many slots it takes. */
  readonly cost: number
  readonly waitDueAt: number
  readonly signal: { aborted: boolean } | undefined
  tier: number
  state: 'blocked' | 'waiting' | 'running' | 'over'
  /** What its caller is told, and when: 'completed@0', or the code of the error. */
  outcome: string | undefined
  /** Its events, in order. */
  readonly history: string[]
}

export interface ModelCall {
  readonly request: Modelled
  readonly dueAt: number
  answered: boolean
  stuck: boolean
}

/** The order in which those who are blocked come in. */
export const inOrder = (a: Modelled, b: Modelled): number => a.tier - b.tier || a.n - b.n

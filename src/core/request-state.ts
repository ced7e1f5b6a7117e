/**
 * The states of a request, and the words for them.
 *
 *     blocked ─▶ waiting ─▶ running ─▶ completed | failed
 *        │          │ ▲        ├─────▶ expired | cancelled
 *        │          │ └─ retrying ───▶ expired | cancelled
 *        │          └────────────────▶ expired | cancelled | shed
 *        └───────────────────────────▶ (refused: it was never admitted)
 *
 * With a store it is `'storing'` in place of `'waiting'` until its record is committed, and `'starting'` until the beginning of its
 * attempt is; `'parked'` when the executor has closed, and the store keeps it for the next start.
 *
 * Inside, a state is a number. There are more numbers than words, since a caller need not know each step.
 */

/** Where a request is, or how it ended. */
export type RequestState =
  | 'blocked'
  | 'storing'
  | 'waiting'
  | 'starting'
  | 'retrying'
  | 'running'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelled'
  | 'shed'
  | 'rejected'
  | 'parked'

/** How an admitted request may end; each ends exactly once, as one of these. */
export type Outcome = (typeof outcomes)[number]

/** The states as small numbers, in the order of the path; all from `COMPLETED` on are ends. */
export const State = {
  ARRIVING: 0,
  /** An asynchronous schema looks at it. */
  CHECKING: 1,
  BLOCKED: 2,
  WAITING: 3,
  /** It is out of the queue until its time comes: it has failed and backs off, or is not to start yet. */
  HELD: 4,
  /** Its turn has come, and there is no token for it: it is set aside, so that others may start. */
  ASIDE: 5,
  /** It has its slot, and its executor is about to be called. */
  STARTING: 6,
  RUNNING: 7,
  COMPLETED: 8,
  FAILED: 9,
  EXPIRED: 10,
  CANCELLED: 11,
  SHED: 12,
  REJECTED: 13,
  /** The executor has closed, and its store keeps it for the next start. */
  PARKED: 14,
} as const

export type State = (typeof State)[keyof typeof State]

/** In the order of their states. */
export const outcomes = ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const

const stateNames: readonly RequestState[] = [
  'blocked',
  'blocked', // Not admitted yet, whatever the reason.
  'blocked',
  'waiting',
  'retrying',
  'waiting',
  'running',
  'running',
  ...outcomes,
  'rejected',
  'parked',
]

/** The word for a state. */
export function stateName(state: State): RequestState {
  return stateNames[state] as RequestState
}

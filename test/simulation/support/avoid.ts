/**
 * What the executor does not keep yet, and what is therefore not generated, or not looked at. `seeds.ts` has the smallest
 * schedule for each; when it holds there, the name goes from here.
 */
export const AVOID: { [K in Avoided]: boolean } = {
  /** When the first in the line leaves or moves, and it was too heavy for the free slots, those behind it are not started. */
  heavyLeaves: false,
  /** One that gets the priority of a free reserved slot is not started. */
  liftToReserve: false,
  /** With a limit resized below what is reserved, one call's end may let two start, and only one is started. */
  resizeBelowReserve: false,
  /** `shed` displaces what holds a promised slot or waits for another attempt, which makes no room for one that starts later. */
  shedForLater: false,
  /** When a substitute goes, another slot that is stuck, and had none for the cap, is not given it. */
  laterSubstitute: false,
  /** When one that waits to start leaves (its time, or others), nobody who is blocked comes in for it. */
  roomOfHeld: false,
  /** One that waits to start may move to a priority whose own bound is reached. */
  heldMoves: false,
  /** Behind a blocked one that starts later, others don't get a free slot; and a newcomer gets it, and passes them. */
  behindLater: false,
  /** An abort makes room, and a shared blocked one comes in for it whose callers all have that signal. */
  abortOfShared: false,
  /** With timeouts by priority, one that moves has those of the old one in the queue, and those of the new one in its slot. */
  timeoutsOfMoved: false,
  /** A blocked request whose time has come meanwhile does not take a free slot until something else happens. */
  blockedUntilStart: false,
  /** The `run.deadline` of a shared run is that of its first caller, also when that one has left in time. */
  deadlineOfShared: false,
  /** One that is refused, and named others in `after`, makes the rejection of their results an unhandled one. */
  resultOfDependency: false,
}

export type Avoided =
  | 'heavyLeaves'
  | 'liftToReserve'
  | 'resizeBelowReserve'
  | 'shedForLater'
  | 'laterSubstitute'
  | 'roomOfHeld'
  | 'heldMoves'
  | 'behindLater'
  | 'abortOfShared'
  | 'timeoutsOfMoved'
  | 'blockedUntilStart'
  | 'deadlineOfShared'
  | 'resultOfDependency'

/**
 * Who goes first within a tier, if requests have deadlines? The one whose time is over soonest. Step 3 of 7.
 *
 * The model: rank = deadline. Of requests that wait together and run equally long, all start in time in this order if they
 * do so in any. When they can't, the known danger is the domino effect: one that is late makes the next one late. Here what
 * was not started in time has left the queue at its own deadline, and costs no slot.
 *
 * @see Jackson, "Scheduling a production line to minimize maximum tardiness", UCLA, 1955
 */
import type { OrderPolicy } from '../order.ts'

/**
 * Within a tier, by the end of `waitTimeoutMs` or `timeoutMs`, whichever is earlier; requests without one go last, and
 * equals first-in first-out. A higher tier still goes before a lower one. Requests without a deadline can starve.
 */
export function earliestDeadlineFirst(): OrderPolicy {
  return {
    name: 'earliest deadline first',
    option: 'order',
    needsDeadline: true,
    acrossTiers: false,
    // No number is no deadline.
    rank: ({ deadline }) => byDeadline(deadline),
  }
}

function byDeadline(deadline: number): number {
  return Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline
}

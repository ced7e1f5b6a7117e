/**
 * Bugs in who is told, and what is counted.
 */
import type { Mutant } from '../mutant.ts'

export const forWatchers: readonly Mutant[] = [
  {
    name: 'a listener that throws stops the executor',
    kind: 're-entrancy and listeners',
    file: 'src/core/watch/events.ts',
    test: 'test/laws/10-listeners-cannot-hurt.test.ts',
    find: '(error: unknown) => this.#report(error, event))\n      } catch (error) {\n        this.#report(error, event)',
    replace: '(error: unknown) => this.#report(error, event))\n      } catch (error) {\n        throw error',
  },
  {
    name: 'an asynchronous listener that rejects is nobody’s error',
    kind: 're-entrancy and listeners',
    file: 'src/core/watch/events.ts',
    test: 'test/failures/re-entrancy-and-listeners.test.ts',
    find: 'if (isThenable(result)) result.then(undefined, (error: unknown) => this.#report(error, event))',
    replace: '',
  },
  {
    name: 'listeners hear of a request in the context of another',
    kind: 're-entrancy and listeners',
    file: 'src/core/watch/events.ts',
    test: 'test/laws/8-context.test.ts',
    find: 'else news.scope.runInAsyncScope(this.#deliver, undefined, news)',
    replace: 'else this.#deliver(news)',
  },
  {
    name: 'an end is told twice, once before the books are right',
    kind: 're-entrancy and listeners',
    file: 'src/core/settle/endings.ts',
    test: 'test/laws/1-conservation.test.ts',
    find: 'this.retire(record, state, value)\n    if (from < State.STARTING) {',
    replace:
      'record.status = state\n    parts.tell.ended(record, value, from, times)\n    this.retire(record, state, value)\n    if (from < State.STARTING) {',
  },
  {
    name: 'an admitted request is counted twice',
    kind: 'what is told and counted',
    file: 'src/core/watch/statistics.ts',
    find: 'this.admitted[tier] = (this.admitted[tier] as number) + 1',
    replace: 'this.admitted[tier] = (this.admitted[tier] as number) + 2',
  },
  {
    name: 'an end is counted for another priority',
    kind: 'what is told and counted',
    file: 'src/core/watch/statistics.ts',
    test: 'test/core/watch/readings.test.ts',
    find: 'const at = outcome * TIERS + tier\n    this.ended[at]',
    replace: 'const at = outcome * TIERS\n    this.ended[at]',
  },
  {
    name: 'a median is one observation too high',
    kind: 'what is told and counted',
    file: 'src/core/watch/histogram.ts',
    find: 'if (seen >= wanted) return',
    replace: 'if (seen > wanted) return',
  },
  {
    name: 'the wait of one that was to start later, and leaves, is not counted',
    kind: 'what is told and counted',
    file: 'src/core/settle/endings.ts',
    test: 'test/core/watch/readings.test.ts',
    find: 'statistics.waited(record.tier, Math.max(timeline.now() - record.timedFrom, 0))',
    replace: '',
  },
  {
    name: '`started` is true for one that never ran',
    kind: 'what is told and counted',
    file: 'src/core/request-record.ts',
    test: 'test/core/admit/guard.test.ts',
    find: 'started: record.attempt > 1 || (record.status >= State.RUNNING && record.status < State.SHED)',
    replace: 'started: record.attempt > 1 || record.status >= State.WAITING',
  },
  {
    name: '`full` is told although a listener has made room',
    kind: 'what is told and counted',
    file: 'src/core/admit/admission.ts',
    test: 'test/core/watch/events.test.ts',
    find: 'if (capacity.waiting === total && total > 0) tell',
    replace: 'if (waiting === total && total > 0) tell',
  },
]

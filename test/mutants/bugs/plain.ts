/**
 * Bugs in the way of a request that has nothing special, and where it meets the full one.
 */
import type { Mutant } from '../mutant.ts'

const file = 'src/core/plain-path.ts'

export const onThePlainWay: readonly Mutant[] = [
  {
    name: 'plain way: the second request of a burst does not put the first into the queue',
    kind: 'ordering, capacity, fairness',
    file,
    find: 'if (this.first !== undefined) this.spill()\n    if (parts.blocked.size > 0) return false',
    replace: 'if (parts.blocked.size > 0) return false',
  },
  {
    name: 'plain way: one that is put into the queue counts twice as live',
    kind: 'lifecycle',
    file,
    find: 'closing.live--\n    lives.begins(first)',
    replace: 'lives.begins(first)',
  },
  {
    name: 'plain way: whoever looks does not see the one that is held',
    kind: 'what is told and counted',
    file,
    find: 'if (this.first !== undefined) this.spill()\n    if (this.#isResting) this.#rests()',
    replace: 'if (this.#isResting) this.#rests()',
  },
  {
    name: 'plain way: the timer is not asked for',
    kind: 'abort and timeouts',
    file,
    find: 'if (dueAt < alarm.dueAt) alarm.setFor(dueAt, timeline.now())',
    replace: 'if (dueAt < 0) alarm.setFor(dueAt, timeline.now())',
  },
  {
    name: 'plain way: the timer stays when nothing is live',
    kind: 'lifecycle',
    file,
    find: 'if (!this.isOn || alarm.armed || slots.active > 0',
    replace: 'if (!this.isOn || slots.active > 0',
  },
  {
    name: 'plain way: a slot that is handed over keeps the context of its last run',
    kind: 'executor outcome',
    file,
    find: 'this.#starts(slot, record, OTHER)\n    } else',
    replace: 'this.#starts(slot, record, OWN)\n    } else',
  },
  {
    name: 'plain way: more start than the limit, since it was lowered',
    kind: 'limits and guards',
    file,
    find: 'const isUsual = this.isOn && slots.free >= 0 &&',
    replace: 'const isUsual = this.isOn &&',
  },
  {
    name: 'plain way: those that are blocked do not come in when one starts',
    kind: 'ordering, capacity, fairness',
    file,
    find: 'slots.free >= 0 && parts.blocked.size === 0',
    replace: 'slots.free >= 0',
  },
  {
    name: 'plain way: the wait of one that runs goes on',
    kind: 'abort and timeouts',
    file,
    find: 'if (record.deadline !== undefined) parts.limits.clear(record)',
    replace: '',
  },
  {
    name: 'plain way: it is taken while somebody listens',
    kind: 'what is told and counted',
    file: 'src/core/engine.ts',
    test: 'test/core/plain-path.test.ts',
    find: 'this.hearsReturns || queued || full || started || completed || idle',
    replace: 'this.hearsReturns || queued || full || started || idle',
  },
  {
    name: 'plain way: it is taken while the executor is paused',
    kind: 'lifecycle',
    file: 'src/core/engine.ts',
    find: 'const isServing = !dispatch.paused && !closing.begun',
    replace: 'const isServing = !closing.begun',
  },
]

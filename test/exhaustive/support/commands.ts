/**
 * What may be done to an executor with two slots, and what it does to the model of one.
 *
 * `low` requests have a wait timeout and share a signal; `urgent` ones have neither; `wide` ones stand between the two, and take
 * both slots. `cancel` and `raise` are about the
 * youngest one, `urgent` ones excepted, that waits or is blocked; `pause` and `resize` do and undo in turn.
 */
import type { Model } from './model.ts'
import { LOW, NORMAL, URGENT } from './setting.ts'

export const commands = [
  'urgent',
  'low',
  'wide',
  'answer',
  'cancel',
  'abort',
  'time',
  'pause',
  'close',
  'raise',
  'resize',
] as const
export type Command = (typeof commands)[number]

const does: Record<Command, (model: Model) => void> = {
  urgent: (model) => model.submit(URGENT),
  low: (model) => model.submit(LOW),
  wide: (model) => model.submit(NORMAL),
  answer: (model) => model.answer(),
  cancel: (model) => model.cancel(),
  abort: (model) => model.abort(),
  time: (model) => model.time(),
  pause: (model) => model.pause(),
  close: (model) => model.close(),
  raise: (model) => model.raise(),
  resize: (model) => model.resize(),
}

/** Would it change something? */
export function changes(model: Model, command: Command): boolean {
  switch (command) {
    case 'answer':
      return model.calls.some((call) => !call.answered)
    case 'cancel':
      return model.youngest !== undefined
    case 'raise':
      return (model.youngest?.tier ?? URGENT) !== URGENT
    case 'abort':
      return model.live.some(({ signal }) => signal === model.signal)
    case 'time':
      return model.nextDueAt < Number.POSITIVE_INFINITY
    case 'resize':
      return true
    default:
      return !model.closing
  }
}

export function perform(model: Model, command: Command): void {
  does[command](model)
  model.rest()
}

/** Does it submit a request? */
export function isRequest(command: Command): boolean {
  return command === 'urgent' || command === 'low' || command === 'wide'
}

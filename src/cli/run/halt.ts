/**
 * When is it enough? `--halt`, as GNU parallel has it: `now,fail=1`, `soon,fail=3`, `never`.
 */
import { Misread, type Parse } from '../parse.ts'

export interface Halt {
  /** `'now'`: what runs is ended. `'soon'`: nothing new is started. */
  readonly when: 'now' | 'soon'
  readonly what: 'fail' | 'success' | 'done'
  readonly count: number
}

export const halt: Parse<Halt | undefined> = (given) => {
  if (given === 'never') return undefined
  const [, when, what, count] = /^(now|soon),(fail|success|done)=(\d+)$/.exec(given) ?? []
  if (when !== undefined && Number(count) > 0) {
    return { when: when as Halt['when'], what: what as Halt['what'], count: Number(count) }
  }
  throw new Misread("never, or when and after what: 'now,fail=1', 'soon,fail=3', 'soon,done=100'")
}

export function isReached({ what, count }: Halt, succeeded: number, failed: number): boolean {
  const seen = what === 'fail' ? failed : what === 'success' ? succeeded : succeeded + failed
  return seen >= count
}

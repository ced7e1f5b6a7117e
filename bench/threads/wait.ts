/** What a shard waits for: a call to somewhere else that takes its time. */
import { setTimeout as sleep } from 'node:timers/promises'

export default function wait(ms: number): Promise<number> {
  return sleep(ms, ms)
}

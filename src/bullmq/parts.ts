/**
 * What an executor over Redis is made of, as its parts see each other.
 */
import type { Queue } from 'bullmq'
import type { Settings } from '../core/settings.ts'
import type { Events } from '../core/watch/events.ts'
import type { Statistics } from '../core/watch/statistics.ts'
import type { Link } from './link.ts'
import type { ExecutorChoice } from './options.ts'
import type { Outstanding } from './outstanding.ts'
import type { Keys, Scripts } from './scripts.ts'
import type { Stream } from './stream.ts'

export interface Parts {
  readonly name: string
  readonly choice: ExecutorChoice
  readonly settings: Settings
  readonly keys: Keys
  readonly scripts: Scripts
  readonly link: Link
  readonly queue: Queue
  readonly stream: Stream
  readonly outstanding: Outstanding
  readonly events: Events
  readonly statistics: Statistics
}

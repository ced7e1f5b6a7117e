/**
 * What the thread must know: plain values, since they are sent to it.
 */
import type { Keep } from '../core/keep/keep-options.ts'

export interface Settings {
  readonly path: string
  /** The name of the codec. */
  readonly codec: string
  readonly synchronous: 'full' | 'normal' | 'off'
  readonly keep: { readonly completed: Keep; readonly dead: Keep; readonly metrics: { readonly ageMs: number } }
  /** Files up to this size are checked as a whole when they are opened; larger ones, only what lives. */
  readonly checkUpToBytes: number
  /** Which of several shards it belongs to. */
  readonly shard: number | null
  /** Only for a new file. */
  readonly pageBytes: number
}

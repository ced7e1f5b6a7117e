/**
 * What has gone wrong, in the log that you already have: one structured line for each refusal, failure, expiry and stuck
 * slot, and never a flood of them.
 */

export type { LogEvent } from './lines.ts'
export { type LogDisposer, type Logged, logTo } from './log-to.ts'
export type { Logger, LogLevel, LogShape } from './logger.ts'
export type { LogOptions, Redactable } from './options.ts'

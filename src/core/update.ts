/**
 * What may be changed while it runs: bounds, timeouts and guards, all of them or none.
 *
 * A smaller bound displaces nobody: those that are in stay, and others come in when there is room under it. Those that are live
 * keep the timeouts that they came with. Whether anything may wait at all is no number: it says how requests come in, and stays.
 */
import { readGiven } from './checks.ts'
import type { Engine } from './engine.ts'
import { OptionsError } from './errors.ts'
import type { UpdateOptions } from './options.ts'
import { priorities } from './priority.ts'
import { changeable, changedSettings, executorOptions, type Settings } from './settings.ts'

/** @throws {OptionsError} that names the option; then nothing has changed */
export function update(engine: Engine, options: UpdateOptions): void {
  const changes = readGiven<UpdateOptions>('', options, changeable, { ...executorOptions, owner: 'the constructor' })
  const settings = changedSettings(engine.settings, changes)
  requireSameSeats(engine.settings, settings, changes.maxQueueSize)
  engine.adopt(settings, changes)
}

function requireSameSeats(before: Settings, after: Settings, given: unknown): void {
  for (const [tier, priority] of priorities.entries()) {
    const [was, is] = [before.byTier[tier], after.byTier[tier]] as [number, number]
    if ((was === 0) === (is === 0)) continue
    const expected = was === 0 ? `'none' for ${priority}, as it was made` : `a bound for ${priority}, and not 'none'`
    throw new OptionsError('maxQueueSize', expected, given)
  }
}

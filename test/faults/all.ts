/**
 * `node test/faults/all.ts`: all faults, at all of their calls; of each kind that goes wrong, the first.
 */
import '../support/from-source.ts'

const { schedules } = await import('./schedules.ts')
const { faultsOf, playFault } = await import('./support.ts')

// What is not reported otherwise is a warning, and there are thousands.
process.emitWarning = () => {}
const kinds = new Map<string, string>()
let plays = 0
for (const schedule of schedules) {
  for (const fault of await faultsOf(schedule, true)) {
    plays++
    const what = await playFault(schedule, fault)
    const kind = `${fault.at} ${fault.does}: ${what.replace(/[\d.]+/g, 'n')}`
    if (what !== '' && !kinds.has(kind)) kinds.set(kind, `${schedule.name}, call ${fault.call}: ${what}`)
  }
}
console.log(`${plays} plays, ${kinds.size} kinds of violations`)
for (const [kind, first] of kinds) console.log(`${kind}\n    ${first}`)
if (kinds.size > 0) process.exitCode = 1

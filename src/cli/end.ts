/**
 * Who ends the process? Here it is done by us. Anything else is a `process.exit()` of the user's module, in the middle of the work: that
 * must not look as if all had been done.
 */
import { Exit } from './fault.ts'
import { say } from './output.ts'

let isOurs = false
let hasThrown = false
let whenCut: () => string | undefined = () => undefined

export function endProcess(exitCode: number): never {
  isOurs = true
  process.exit(exitCode)
}

/** What is done when somebody else ends the process, at once: nothing can be waited for. @param act returns what there is to say of it */
export function onCut(act: () => string | undefined): void {
  whenCut = act
}

/** An error that nobody has caught is shown by Node itself, and its exit code is not 0. */
export function watchEnd(): void {
  process.on('uncaughtExceptionMonitor', () => {
    hasThrown = true
  })
  process.on('exit', (exitCode) => {
    if (isOurs) return
    const more = whenCut()
    if (!hasThrown) say(`triage-queue: process.exit(${exitCode}) was called before all was done`)
    if (more !== undefined) say(`triage-queue: ${more}`)
    if (exitCode === 0) process.exitCode = Exit.FAILED
  })
}

#!/usr/bin/env node
/**
 * `triage-queue`: the program. What it can do is in `commands.ts`, and each command is a file of its own.
 */
import { endProcess, watchEnd } from './end.ts'
import { Exit, Fault, messageOf } from './fault.ts'
import { flushed, onLostOutput, say, watchPipes } from './output.ts'
import { runProgram } from './program.ts'

watchPipes(endProcess)
watchEnd()
let exitCode: number
try {
  exitCode = await runProgram(process.argv.slice(2))
} catch (error) {
  say(`triage-queue: ${messageOf(error)}`)
  exitCode = error instanceof Fault ? error.exitCode : codeFor(error)
}
// All that was written has gone out before it ends; what still runs does not keep it. Whoever has read enough still learns how it ended.
onLostOutput((otherwise) => endProcess(exitCode || otherwise))
await flushed()
endProcess(exitCode)

function codeFor(error: unknown): number {
  const { code } = (error ?? {}) as { code?: unknown }
  return code === 'TRIAGE_INVALID_OPTIONS' ? Exit.USAGE : Exit.FAILED
}

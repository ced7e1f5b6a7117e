/**
 * Which commands are there? In the order in which they are shown. `record` and `simulate` will stand here, too.
 */
import type { Command } from './command.ts'
import { load } from './load/load.ts'
import { run } from './run/run.ts'
import { serve } from './serve/serve.ts'
import { size } from './size/size.ts'

export const commands: readonly Command[] = [serve, run, load, size]

/**
 * Which commands are there? In the order in which they are shown. `record` and `simulate` will stand here, too.
 */
import type { Command } from './command.ts'
import { completionOf } from './completion/completion.ts'
import { doctor } from './doctor/doctor.ts'
import { load } from './load/load.ts'
import { requests } from './requests/requests.ts'
import { run } from './run/run.ts'
import { serve } from './serve/serve.ts'
import { size } from './size/size.ts'
import { top } from './top/top.ts'

export const commands: readonly Command[] = [
  serve,
  run,
  top,
  ...requests,
  load,
  size,
  doctor,
  completionOf(() => commands),
]

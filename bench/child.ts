/**
 * Measures one trial of one case, in this process, and writes the outcome to file descriptor 3. Started by `driver.ts`.
 *
 *     node bench/child.ts <case> <variant> <subject>
 */
import { writeFileSync } from 'node:fs'
import { cases } from './cases/index.ts'
import { durableCases } from './durable/cases.ts'

const [name, variant = '', subject = ''] = process.argv.slice(2)
const found = [...cases, ...durableCases].find((each) => each.name === name)
if (found === undefined) throw new Error(`there is no case '${name}'`)

// A queue that loses a request would end the process in silence: the driver takes a missing outcome for a failure.
const outcome = await found.measure({ variant, subject })
writeFileSync(3, JSON.stringify(outcome))
// What a peer leaves behind, timers and all, is not waited for.
process.exit(0)

/**
 * `npm run prove:workers`: the policy of how many workers a queue wants, over generated traces on virtual time, or over recorded ones:
 * `-- a.csv b.csv`. Ends with 1 when it was more than one worker off an oracle, or flapped, in a generated one.
 */
import { lineOf, play, SLOTS } from './play.ts'
import { generate, generated, recorded } from './traces.ts'

const files = process.argv.slice(2)
console.log(`${SLOTS} slots a worker, a sample every 5 s, 15 s until a worker has started`)
let isBroken = false
if (files.length === 0) {
  for (let n = 0; n < generated; n++) {
    const seed = n + 1
    const played = await play(generate(n, seed))
    isBroken ||= played.farthest > 1 || played.flaps > 0
    console.log(`seed ${seed}, ${lineOf(played)}`)
  }
}
for (const file of files) console.log(lineOf(await play(recorded(file))))
process.exitCode = isBroken ? 1 : 0

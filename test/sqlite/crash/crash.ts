/**
 * `npm run crash`: 1,000 lives, each ended by SIGKILL under load. `npm run crash -- LIVES SEED` for others.
 */
import { crashLoop } from './loop.ts'

const [lives = '1000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)

console.log(`seed ${seed}`)
const report = await crashLoop(Number(lives), Number(seed), ({ lives: done, calls, answered, inCommit, ahead }) => {
  if (done % 10 === 0)
    console.log(`${done} lives, ${calls} calls, ${answered} answered, ${inCommit} killed in a commit, ${ahead} ahead`)
})
console.log(JSON.stringify(report, undefined, 2))
if (report.problems.length > 0 || report.inCommit * 10 < report.lives) process.exitCode = 1

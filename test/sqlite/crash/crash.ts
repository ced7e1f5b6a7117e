/**
 * `npm run crash`: 1,000 lives of a store, and as many of an executor with a store, each ended by SIGKILL under load.
 * `npm run crash -- LIVES SEED` for others.
 */
import { executorCrashLoop } from '../executor/loop.ts'
import { crashLoop } from './loop.ts'

const [lives = '1000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)

console.log(`seed ${seed}: the store`)
const store = await crashLoop(Number(lives), Number(seed), ({ lives: done, calls, answered, inCommit, ahead }) => {
  if (done % 10 === 0)
    console.log(`${done} lives, ${calls} calls, ${answered} answered, ${inCommit} killed in a commit, ${ahead} ahead`)
})
console.log(JSON.stringify(store, undefined, 2))

console.log(`seed ${seed}: the executor`)
const executor = await executorCrashLoop(Number(lives), Number(seed), ({ lives: done, acked, runs, again }) => {
  if (done % 10 === 0)
    console.log(`${done} lives; of the stores before, ${acked} acknowledged, ${runs} runs, ${again} again`)
})
console.log(JSON.stringify(executor, undefined, 2))

const isBroken = store.problems.length + executor.problems.length > 0
if (isBroken || store.inCommit * 10 < store.lives) process.exitCode = 1

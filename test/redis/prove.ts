/**
 * `npm run prove:redis`: the long runs, of which `npm run test:redis` plays samples. Its output is kept in `docs/proof/redis.txt`.
 *
 * `-- KILLS CUTS SEED` for others; ends with 1 when something was not as promised.
 */
import { startRedis } from '../support/redis-server.ts'
import { cutAndTrim, killRedis, lineOf, type Outcome } from './support/runs.ts'
import { tiersOf } from './support/tiers.ts'

const [kills = 200, cuts = 1_000, seed = 1] = process.argv.slice(2).map(Number)
const KILLS_IN_ONE = 50
const CUTS_IN_ONE = 250

let isBroken = false
const say = (what: string, outcome: Outcome): void => {
  isBroken ||= outcome.broken.length > 0
  console.log(lineOf(what, outcome))
}

console.log(`node test/redis/prove.ts ${kills} ${cuts} ${seed}, Node ${process.version}`)
for (let i = 0; i < kills / KILLS_IN_ONE; i++)
  say('kills of Redis', await killRedis(seed + i, Math.min(kills, KILLS_IN_ONE)))
for (let i = 0; i < cuts / CUTS_IN_ONE; i++) {
  say('cuts of connections and of the stream', await cutAndTrim(seed + i, Math.min(cuts, CUTS_IN_ONE)))
}
const redis = await startRedis()
for (let i = 0; i < 3; i++) {
  const { starts, overtaken, waitMs } = await tiersOf(redis.url, seed + i, 3_000)
  isBroken ||= overtaken.length > 0
  const waits = Object.entries(waitMs).map(([priority, ms]) => `${priority} ${ms} ms`)
  console.log(
    `four tiers, seed ${seed + i}: ${starts} starts, ${overtaken.length} overtaken; mean wait ${waits.join(', ')}`,
  )
}
await redis.close()
console.log(isBroken ? 'BROKEN' : 'all as promised')
process.exitCode = isBroken ? 1 : 0

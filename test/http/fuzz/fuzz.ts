/**
 * 100,000 mutated requests on raw sockets: `npm run fuzz:http`, or `-- COUNT SEED`. Ends with 1 when something broke.
 */
import { hunt } from './hunt.ts'

const [count = 100_000, seed = 1] = process.argv.slice(2).map(Number)
const began = performance.now()
const { sent, statuses, broken } = await hunt(count, seed)
console.log(`${sent} mutated requests in ${Math.round((performance.now() - began) / 1_000)} s, seed ${seed}`)
for (const [status, times] of Object.entries(statuses)) console.log(`${status === '0' ? 'closed' : status}: ${times}`)
for (const one of broken.slice(0, 20)) console.error(one)
console.log(`${broken.length} broke something`)
process.exitCode = broken.length > 0 ? 1 : 0

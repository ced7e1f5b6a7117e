/**
 * Does a peer do the work at all? Before anyone is measured: all answers are right, no more tasks run than may, and the
 * start order is what the peer promises. Runs before each other case that has peers.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { CONCURRENCY, checkAnswer, isOrdered, jobsOfFourTiers } from '../job.ts'
import { versionOf } from '../machine.ts'
import { loadPeer } from '../peers/index.ts'
import type { Peer } from '../peers/peer.ts'
import { table } from '../table.ts'

const JOBS = 200
const VARIANT = 'peers'

const known = new Map<string, Peer>()

export const verifyCase: Case = {
  name: 'verify',
  about: 'the answers, the limit and the start order of each peer',
  rounds: 1,

  async trials(peers) {
    for (const name of peers) known.set(name, await loadPeer(name))
    return peers.map((subject) => ({ variant: VARIANT, subject }))
  },

  async measure({ subject }) {
    const peer = await loadPeer(subject)
    await checkAnswersAndLimit(peer)
    return { numbers: { ordered: Number(await startsInOrder(peer)) } }
  },

  report(results) {
    const rows = results.subjects().map((subject) => {
      const peer = known.get(subject) as Peer
      const version = peer.package === undefined ? '' : versionOf(peer.package)
      const ordered = results.median(VARIANT, subject, 'ordered')
      const order = peer.priorities ? 'by priority' : 'first-in first-out'
      const verified =
        ordered === undefined ? 'FAILED' : ordered === 1 || !peer.limits ? 'verified' : 'answers only, order not exact'
      return [subject, version, peer.about, peer.limits ? order : '', verified]
    })
    return `Who is measured\n\n${table(['', 'version', 'how it is used', 'starts', 'answers, limit, order'], rows)}`
  },
}

/** @throws {Error} */
async function checkAnswersAndLimit(peer: Peer): Promise<void> {
  let running = 0
  let most = 0
  const queue = peer.create(async (job) => {
    most = Math.max(most, ++running)
    // Long enough for those who take some turns of the event loop to start the next.
    await setTimeout(30)
    running--
    return job.value + 1
  }, CONCURRENCY)
  const jobs = jobsOfFourTiers(JOBS)
  const answers = await Promise.all(jobs.map((job, i) => (i % 2 === 0 ? queue.execute(job) : queue.executeByTier(job))))
  for (const [i, answer] of answers.entries()) checkAnswer(jobs[i] as (typeof jobs)[number], answer)
  if (peer.limits && most !== CONCURRENCY) throw new Error(`${most} ran at once, not ${CONCURRENCY}`)
}

async function startsInOrder(peer: Peer): Promise<boolean> {
  const jobs = jobsOfFourTiers(JOBS)
  const started: number[] = []
  const queue = peer.create(async (job) => {
    started.push(job.index)
    await setImmediate()
    return job.value + 1
  }, 1)
  await Promise.all(jobs.map((job) => queue.executeByTier(job)))
  return started.length === JOBS && isOrdered(started, jobs, peer.priorities, 1)
}

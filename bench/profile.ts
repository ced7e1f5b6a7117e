/**
 * Where does the time of a request go? V8's own profile of the closed loop, by function, in ns a request.
 *
 *     node bench/profile.ts                   # triage-queue, fastq and the bare loop
 *     node bench/profile.ts triage-queue
 *
 * What V8 has inlined is counted for the inlined function. Its builtins (promises, microtasks) have no line of their
 * own: their time is that of the function that called them, or of `(program)` when the microtask loop did.
 */
import { type Profiler, Session } from 'node:inspector/promises'
import { basename } from 'node:path'
import { closedLoopOf } from './measure.ts'
import { loadPeer, US } from './peers/index.ts'
import { table } from './table.ts'

const SAMPLE_US = 100
const SHOWN = 28

type Node = Profiler.ProfileNode

/** Self times by function, as shares of the whole. */
function sharesOf({ nodes, samples = [] }: Profiler.Profile): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const shares = new Map<string, number>()
  for (const id of samples) {
    const name = nameOf(byId.get(id) as Node)
    shares.set(name, (shares.get(name) ?? 0) + 1 / samples.length)
  }
  return shares
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: Node): string {
  if (url === '') return functionName
  const file = url.startsWith('node:') ? url : basename(url)
  return `${functionName === '' ? '(anonymous)' : functionName}  ${file}:${lineNumber + 1}`
}

async function profile(name: string): Promise<void> {
  const peer = await loadPeer(name)
  // Warm: what is compiled is profiled, not the compiler.
  const { cpuNs } = await closedLoopOf(peer, 'trivial')
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  await session.post('Profiler.start')
  await closedLoopOf(peer, 'trivial')
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const shares = [...sharesOf(profile)].filter(([where]) => where !== '(idle)').sort((a, b) => b[1] - a[1])
  const rows = shares.slice(0, SHOWN).map(([where, share]) => [where, (share * cpuNs).toFixed(0)])
  const rest = shares.slice(SHOWN).reduce((sum, [, share]) => sum + share, 0)
  const all = [...rows, [`${Math.max(shares.length - SHOWN, 0)} more`, (rest * cpuNs).toFixed(0)]]
  console.log(`\n${name}: ${cpuNs.toFixed(0)} ns of CPU a request\n\n${table(['self time', 'ns'], all)}`)
}

for (const name of process.argv.length > 2 ? process.argv.slice(2) : [US, 'fastq', 'bare loop']) await profile(name)

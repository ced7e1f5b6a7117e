/**
 * What does it cost to have it on the disk first? Acknowledgements, answers there and back, the event loop meanwhile, and how
 * soon all is there again.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { describe } from '../../src/core/any-value.ts'
import { FileStore } from '../../src/sqlite/file-store.ts'
import { makeWorker } from '../../src/sqlite/link.ts'
import { readSqliteOptions } from '../../src/sqlite/options.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import type { Case } from '../case.ts'
import { library } from '../library.ts'
import { quick } from '../measure.ts'
import type { Results } from '../results.ts'
import { number, table, times, withSpread } from '../table.ts'
import type { Outcome, Trial } from '../trial.ts'
import { answerTo, textOf } from './subject.ts'
import { BULLMQ, loadSubject, OURS, RAW, subjectNames } from './subjects/index.ts'

const SECONDS = quick ? 1 : Number(process.env.BENCH_SECONDS ?? 5)
const SAMPLE = 200
const SLOTS = 10
const EACH_MS = 40

/** A folder, and a Redis where the subject needs one, while something is measured. */
async function within<T>(subject: string, work: (folder: string, port: number) => Promise<T>): Promise<T> {
  const home = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'triage-queue-durable-'))
  const folder = join(home, 'data')
  mkdirSync(folder)
  try {
    if (subject !== BULLMQ) return await work(folder, 0)
    const redis = await startRedis([], true, home)
    try {
      return await work(folder, redis.port)
    } finally {
      await redis.close()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** So many callers, each of whom goes on when it has its answer; for so long. */
async function callersOf(callers: number, call: (id: string) => Promise<unknown>): Promise<Measured> {
  const latencies: number[] = []
  const ids: string[] = []
  let isOver = false
  let count = 0
  const caller = async (i: number): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      const id = `c${i}-${n}`
      const from = performance.now()
      await call(id)
      // Some, from all along; more would cost more than what is measured.
      if (count++ % 64 === 0) latencies.push(performance.now() - from)
      if (ids.length < SAMPLE && count % 97 === 0) ids.push(id)
      // A subject that answers in the same turn would keep the clock from being looked at.
      if (performance.now() > until) isOver = true
    }
  }
  const startedAt = performance.now()
  const until = startedAt + SECONDS * 1_000
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)))
  delay.disable()
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - startedAt) / 1_000
  latencies.sort((a, b) => a - b)
  // Whoever answers in the same turn lets the event loop have none: there is nothing to be measured, then.
  const held = delay.count === 0 ? {} : { delayP99Ms: delay.percentile(99) / 1e6 }
  return { count, ids, latencies, numbers: { perSecond: count / seconds, cpuUs: (user + system) / count, ...held } }
}

interface Measured {
  readonly count: number
  readonly ids: readonly string[]
  readonly latencies: readonly number[]
  readonly numbers: { readonly perSecond: number; readonly cpuUs: number; readonly delayP99Ms?: number }
}

const outcomeOf = ({ numbers, latencies }: Measured): Outcome => ({
  numbers: { ...numbers },
  series: { ms: latencies },
})

const callersIn = (variant: string): number => Number(variant.split(' ')[0]?.replace(',', ''))

const trialsOf = (variants: readonly string[], subjects: readonly string[]): Trial[] =>
  variants.flatMap((variant) => subjects.map((subject) => ({ variant, subject })))

function rates(results: Results, title: (variant: string) => string, against: string): string {
  const parts = results.variants().map((variant) => {
    const rows = results
      .subjects(variant)
      .map((subject) => [
        subject,
        withSpread(results.spread(variant, subject, 'perSecond')),
        number(results.quantile(variant, subject, 'ms', 0.5)),
        number(results.quantile(variant, subject, 'ms', 0.99)),
        number(results.median(variant, subject, 'delayP99Ms')),
        number(results.median(variant, subject, 'cpuUs')),
        times(results.ratio([variant, subject], [variant, against], 'perSecond')?.value),
      ])
    const head = ['', 'a second', 'p50 ms', 'p99 ms', 'event loop p99 ms', 'CPU µs each', `of ${against}`]
    return `${title(variant)}\n\n${table(head, rows)}`
  })
  return [...parts, ...results.skippedLines()].join('\n\n')
}

const acknowledgeCase: Case = {
  name: 'acknowledge',
  about: 'how many a second are acknowledged, each on the disk before?',
  rounds: 3,
  trials: (peers) => trialsOf(['64 callers', '1,000 callers'], peers),
  measure: ({ variant, subject }) =>
    within(subject, async (folder, port) => {
      const opened = await (await loadSubject(subject)).open(folder, port)
      for (let i = 0; i < 100; i++) await opened.acknowledge(`warm-${i}`, textOf(`warm-${i}`))
      const measured = await callersOf(callersIn(variant), (id) => opened.acknowledge(id, textOf(id)))
      const { count, texts } = await opened.verify(measured.ids)
      const wrong = measured.ids.filter((id, i) => texts[i] !== undefined && texts[i] !== textOf(id))
      if (count !== measured.count + 100) throw new Error(`it has ${count} of ${measured.count + 100}`)
      if (wrong.length > 0) throw new Error(`${wrong.length} of ${measured.ids.length} are not what was sent`)
      await opened.close()
      return outcomeOf(measured)
    }),
  report: (results) => rates(results, (variant) => `Acknowledgements, ${variant}, 1 KiB each, on the disk`, RAW),
}

/** Executors take a store in a version that is to come: is it this one? */
function whyNoStore(): string | undefined {
  try {
    new library.QueuedExecutor(async () => {}, { store: library.memoryStore() } as object)
    return undefined
  } catch (error) {
    return describe(error)
  }
}

const executeCase: Case = {
  name: 'execute',
  about: 'how many a second are answered, there and back?',
  rounds: 3,
  async trials(peers) {
    const trials: Trial[] = []
    for (const subject of peers) {
      if (subject === RAW) continue
      const { noExecute = subject === OURS ? whyNoStore() : undefined } = await loadSubject(subject)
      trials.push({
        ...{ variant: '64 callers', subject },
        ...(noExecute === undefined ? {} : { skipped: noExecute }),
      })
    }
    return trials
  },
  measure: ({ variant, subject }) =>
    within(subject, async (folder, port) => {
      const opened = await (await loadSubject(subject)).execute?.(folder, port, SLOTS)
      if (opened === undefined) throw new Error('it can’t')
      const measured = await callersOf(callersIn(variant), async (id) => {
        const text = textOf(id)
        if ((await opened.execute(id, text)) !== answerTo(text)) throw new Error(`${id} has another one's answer`)
      })
      await opened.close()
      return outcomeOf(measured)
    }),
  report: (results) =>
    rates(results, (variant) => `execute() there and back, ${variant}, ${SLOTS} slots, 1 KiB each`, BULLMQ),
}

const RATE = 4_000
/** What the machine itself does to an event loop, and then the store. */
const DISKS = { 'nothing is stored': undefined, 'this disk': 0, 'each commit takes 40 ms': EACH_MS } as const

const eventLoopCase: Case = {
  name: 'event-loop',
  about: `is the event loop of the main thread held up, under ${RATE} submits a second?`,
  rounds: 3,
  trials: (peers) => (peers.includes(OURS) ? trialsOf(Object.keys(DISKS), [OURS]) : []),
  measure: ({ variant, subject }) =>
    within(subject, async (folder) => {
      const commitMs = DISKS[variant as keyof typeof DISKS]
      const file = join(import.meta.dirname, 'slow-worker.ts')
      const make: typeof makeWorker = (data) =>
        commitMs === 0 || commitMs === undefined
          ? makeWorker(data)
          : new Worker(file, { workerData: { ...data, commitMs } })
      const store = await FileStore.open(readSqliteOptions(join(folder, 'a.db')), make)
      const queue = store.queue('bench')
      const acks: Promise<unknown>[] = []
      const delay = monitorEventLoopDelay({ resolution: 1 })
      const startedAt = performance.now()
      const latencies: number[] = []
      delay.enable()
      while (performance.now() - startedAt < SECONDS * 1_000) {
        const due = Math.floor(((performance.now() - startedAt) / 1_000) * RATE)
        while (acks.length < due) {
          const id = `r${acks.length}`
          const from = performance.now()
          const payload = queue.encode(textOf(id), 'request')
          const seq = queue.nextSeq()
          const record = {
            seq,
            id,
            isKey: true,
            priority: 'normal',
            payload,
            submittedAt: Date.now(),
            limits: {},
          } as const
          const ack = commitMs === undefined ? Promise.resolve() : queue.admitted(record)
          acks.push(ack.then(() => latencies.push(performance.now() - from)))
        }
        await sleep(1)
      }
      delay.disable()
      await Promise.all(acks)
      const { live } = await store.stats()
      if (live !== (commitMs === undefined ? 0 : acks.length)) throw new Error(`it has ${live} of ${acks.length}`)
      await store.close()
      latencies.sort((a, b) => a - b)
      const some = latencies.filter((_, i) => i % 64 === 0)
      return { numbers: { delayP99Ms: delay.percentile(99) / 1e6, delayMaxMs: delay.max / 1e6 }, series: { ms: some } }
    }),
  report(results) {
    const rows = results
      .variants()
      .map((variant) => [
        variant,
        withSpread(results.spread(variant, OURS, 'delayP99Ms')),
        withSpread(results.spread(variant, OURS, 'delayMaxMs')),
        number(results.quantile(variant, OURS, 'ms', 0.5)),
        number(results.quantile(variant, OURS, 'ms', 0.99)),
      ])
    const head = ['', 'event loop p99 ms', 'most ms', 'acknowledged p50 ms', 'p99 ms']
    return `The event loop of the main thread, under ${number(RATE)} submits a second\n\n${table(head, rows)}`
  },
}

const ROWS = quick ? 10_000 : 100_000

const recoverCase: Case = {
  name: 'recover',
  about: `how soon are ${ROWS} live requests there again?`,
  rounds: 3,
  trials: (peers) => (peers.includes(OURS) ? [{ variant: `${ROWS}`, subject: OURS }] : []),
  measure: ({ subject }) =>
    within(subject, async (folder) => {
      const choice = readSqliteOptions(join(folder, 'a.db'))
      const before = await FileStore.open(choice, makeWorker)
      const filled = before.queue('bench')
      for (let i = 0; i < ROWS; i += 1_000) {
        await Promise.all(
          Array.from({ length: 1_000 }, (_, n) => {
            const id = `r${i + n}`
            return filled.admitted({
              ...{ seq: filled.nextSeq(), id, isKey: true, priority: 'normal', submittedAt: Date.now(), limits: {} },
              payload: filled.encode(textOf(id), 'request'),
            })
          }),
        )
      }
      await before.close()
      const startedAt = performance.now()
      const store = await FileStore.open(choice, makeWorker)
      const openedAt = performance.now()
      const queue = store.queue('bench')
      let count = 0
      let wrong = 0
      let after: number | undefined
      do {
        const page = await queue.recover(after)
        for (const { id, payload } of page.records) {
          count++
          if (queue.decode(payload) !== textOf(id)) wrong++
        }
        after = page.next
      } while (after !== undefined)
      const endedAt = performance.now()
      await store.close()
      if (count !== ROWS || wrong > 0) throw new Error(`${count} of ${ROWS} are there, and ${wrong} are wrong`)
      return { numbers: { openMs: openedAt - startedAt, allMs: endedAt - startedAt } }
    }),
  report(results) {
    const rows = results
      .variants()
      .map((variant) => [
        number(Number(variant)),
        withSpread(results.spread(variant, OURS, 'openMs')),
        withSpread(results.spread(variant, OURS, 'allMs')),
      ])
    return `Live requests of 1 KiB, there again\n\n${table(['', 'opened after ms', 'all are back after ms'], rows)}`
  },
}

export const durableCases: readonly Case[] = [acknowledgeCase, executeCase, eventLoopCase, recoverCase]
export { subjectNames }

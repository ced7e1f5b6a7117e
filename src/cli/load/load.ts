/**
 * `load`: what does a service bear? An open loop: requests are sent when they are due, whether those before them have been answered or
 * not, and each is measured from its intended start.
 *
 * The file is a little long: it is one run, from its options to its exit code.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { type Priority, priorities } from '../../core/priority.ts'
import { type Goal, readGoal } from '../../simulation/goal.ts'
import { Client, clientFlags, serviceOf } from '../client.ts'
import { type Call, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { endProcess } from '../end.ts'
import { cannot, Exit, messageOf, usage } from '../fault.ts'
import { columnsOf, printJson, say } from '../output.ts'
import { duration, integer, json, Misread, mix, positive, text } from '../parse.ts'
import { exitCodeOf, onSignals, type Signal } from '../signals.ts'
import { count, duration as timeText } from '../words.ts'
import { isMeasured, type LoadReport, type Noted, reportOf } from './report.ts'
import { type Schedule, scheduleOf, scheduleOfTrace } from './schedule.ts'
import { Sender, type Target } from './sender.ts'
import { showMarkdown, showReport } from './show.ts'
import { readTrace } from './trace.ts'
import { listenForWaits, type Waits } from './waits.ts'

const { tokenFile, queue } = clientFlags

const flags = {
  rate: option('--rate <n>', 'how many requests a second', positive, 10),
  poisson: toggle('--poisson', 'independently of each other, with this rate on average, and not in equal steps'),
  for: option('--for <time>', 'how long', duration, 10_000),
  mix: optional('--mix <shares>', "the shares of the priorities: 'urgent=5,normal=95'", mix),
  trace: optional(
    '--trace <file>',
    'in place of a rate: what was recorded, lines of { t, tier } or a table with TIMESTAMP',
    text,
  ),
  data: optional('--data <json>', 'the body; {n} in it is the number of the request', text),
  gate: {
    ...optional<readonly Goal[]>(
      '--gate <goal>',
      "fails the run when it does not hold: 'urgent.wait.p99 < 200ms', 'refused < 1%', 'rate > 90'; several times",
      (given) => [gateOf(given)],
    ),
    isMany: true,
  },
  waits: toggle('--waits', 'also how long each waited for its slot, from the events of the service'),
  tokenFile,
  queue,
  timeout: option('--timeout <time>', 'how long an answer is waited for', duration, 300_000),
  maxLag: option(
    '--max-lag <time>',
    'how late the generator itself may be, for 99 %: more, and the run has failed',
    duration,
    100,
  ),
  seed: option('--seed <n>', 'the same seed makes the same load', integer(0, 4_294_967_295), 1),
  out: optional('--out <file>', 'a line of JSON for each request: when it was intended, sent and over', text),
  json: toggle('--json', 'the report as JSON'),
  markdown: toggle('--markdown', 'the report as Markdown'),
}

type Chosen = Values<typeof flags>

export const load = defineCommand({
  name: 'load',
  summary: 'Sends requests to a service at a given rate, and says how it bears them.',
  about: [
    'An open loop: when a request is due is settled before the run, it is sent then whatever the service does, and its latency counts from',
    'then. The address is a service of triage-queue, or with a path any other that takes a POST. It ends with 99 when a gate does not hold or',
    'has no samples, and with 1 when the generator itself fell behind, or nothing was done.',
  ].join(' '),
  args: [{ name: '[url]', what: 'the service (default http://127.0.0.1:8080)' }],
  flags,
  examples: [
    ['triage-queue load --rate 100 --for 30s', 'a hundred a second, to the service of this machine'],
    [
      `triage-queue load http://127.0.0.1:8080 --poisson --rate 80 --mix urgent=5,normal=80,low=15 --gate 'urgent.wait.p99 < 200ms'`,
      'with priorities, as a test',
    ],
    [
      `triage-queue load http://127.0.0.1:3000/resize --rate 20 --data '{"image":"{n}.png"}' --markdown`,
      'any other service, as a table for a report',
    ],
  ],
  run: (chosen, call) => new Run(chosen).run(call),
})

function gateOf(given: string): Goal {
  const goal = readGoal(given)
  if (goal !== undefined && isMeasured(goal)) return goal
  throw new Misread(
    "'urgent.wait.p99 < 200ms', 'latency.p95 < 1s', 'refused < 1%', 'failed < 1%' or 'rate > 90' (mean, max, p50, p90, p95, p99)",
  )
}

/** The first is sent a little later, so that nobody is late from the start. */
const LEAD_MS = 50
const DRAW_MS = 250

class Run {
  readonly #chosen: Chosen
  #inFlight = 0
  #next = 0
  #by: Signal | undefined
  #stop: () => void = () => {}

  constructor(chosen: Chosen) {
    this.#chosen = chosen
  }

  async run({ args, isGiven }: Call): Promise<number> {
    const { gate = [], out, waits: asksWaits, trace } = this.#chosen
    if (trace !== undefined && (isGiven('rate') || isGiven('poisson') || isGiven('for'))) {
      throw usage('--trace says itself when requests come: without --rate, --poisson and --for')
    }
    const bodyOf = this.#body()
    const schedule = this.#schedule()
    const { target, name, client } = await this.#target(args[0])
    const listens = asksWaits || gate.some(({ of }) => of === 'wait')
    if (listens && !target.isQueue) throw usage('Only a service of triage-queue tells how long requests wait')
    const prefix = `load-${process.pid.toString(36)}-${Date.now().toString(36)}-`
    const log = out === undefined ? undefined : opened(out)
    const waits = listens ? await listenForWaits(client, name, prefix, schedule.count) : undefined
    const sender = new Sender(target)
    const noted = await this.#send(schedule, sender, prefix, bodyOf, waits)
    // The events of the last ones may still be on their way: they come with the numbers of the next second.
    if (waits !== undefined) await allTold(waits, noted)
    waits?.stop()
    sender.close()
    if (log !== undefined) writeLog(log, schedule, noted)
    return this.#tell(name, target, reportOf(schedule, noted, gate), waits?.missed ?? 0)
  }

  #body(): (n: number) => string {
    const { data = '{"n":{n}}' } = this.#chosen
    try {
      json(data.replaceAll('{n}', '0'))
    } catch {
      throw usage(`--data: expected JSON, got ${JSON.stringify(data)}`)
    }
    return (n) => data.replaceAll('{n}', `${n}`)
  }

  #schedule(): Schedule {
    const {
      rate,
      poisson,
      for: lengthMs,
      mix: shares = new Map<Priority, number>([['normal', 1]]),
      trace,
      seed,
    } = this.#chosen
    if (trace !== undefined) return scheduleOfTrace(readTrace(trace), shares, seed)
    const schedule = scheduleOf({ ratePerSecond: rate, isPoisson: poisson, lengthMs, mix: shares, seed })
    if (schedule.count > 0) return schedule
    throw usage('Nothing would be sent: a higher --rate, or --for a longer time')
  }

  /** @throws {Fault} when there is nobody to send to */
  async #target(given: string | undefined): Promise<{ target: Target; name: string; client: Client }> {
    const { tokenFile: file, queue: named, timeout: timeoutMs } = this.#chosen
    const whole = serviceOf(given)
    const client = new Client(whole, file)
    const headers = client.headers()
    if (whole.pathname !== '/') {
      await fetch(whole.origin, { method: 'HEAD' }).catch((error: unknown) => {
        throw client.unreachable(error)
      })
      return { target: { url: whole, headers, isQueue: false, timeoutMs }, name: whole.pathname, client }
    }
    const name = await client.queue(named, `; any other one is given with its path: ${whole.origin}/path`)
    const url = new URL(`${client.base}/v1/queues/${encodeURIComponent(name)}/requests`)
    const { body } = await client.ask('GET', '/v1/session')
    if ((body as { level?: string } | undefined)?.level === 'viewer') {
      throw cannot(`${client.base} takes requests only with a token: TRIAGE_CLI_TOKEN or --token-file`)
    }
    return { target: { url, headers, isQueue: true, timeoutMs }, name, client }
  }

  /** Sends each when it is due, and waits for all of them. */
  async #send(
    schedule: Schedule,
    sender: Sender,
    prefix: string,
    bodyOf: (n: number) => string,
    waits: Waits | undefined,
  ): Promise<Noted> {
    const { count: all, at, tier } = schedule
    const empty = (): Float64Array => new Float64Array(all).fill(Number.NaN)
    const codes = ['done']
    const codeOf = (code: string): number => {
      const known = codes.indexOf(code)
      // There are few, and one byte for each request.
      return known >= 0 ? known : codes.length < 255 ? codes.push(code) - 1 : 255
    }
    const noted = { sentAt: empty(), endedAt: empty(), code: new Uint8Array(all), codes, waits: waits?.of }
    const letGo = this.#listen()
    const drawn = this.#draw(schedule)
    const began = performance.now() + LEAD_MS
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const ends = (): void => {
        if (this.#inFlight === 0 && this.#next >= all) resolve()
      }
      const sends = (i: number): void => {
        this.#inFlight++
        noted.sentAt[i] = performance.now() - began
        void sender.send(`${prefix}${i}`, priorities[tier[i] as number] as Priority, bodyOf(i)).then(({ code }) => {
          noted.endedAt[i] = performance.now() - began
          noted.code[i] = codeOf(code)
          this.#inFlight--
          ends()
        })
      }
      const pump = (): void => {
        const now = performance.now() - began
        while (this.#next < all && (at[this.#next] as number) <= now) sends(this.#next++)
        if (this.#next < all)
          timer = setTimeout(pump, Math.max((at[this.#next] as number) - (performance.now() - began), 0))
        else ends()
      }
      this.#stop = () => {
        clearTimeout(timer)
        this.#next = all
        ends()
      }
      timer = setTimeout(pump, LEAD_MS)
    })
    drawn()
    letGo()
    return { ...noted, beganAt: performance.timeOrigin + began }
  }

  #tell(name: string, target: Target, report: LoadReport, missed: number): number {
    const { json: asJson, markdown, maxLag, trace, poisson, rate, seed } = this.#chosen
    const how =
      trace === undefined
        ? `${poisson ? 'Poisson, ' : ''}${rate} a second for ${timeText(report.lengthMs)}`
        : `the trace ${trace}`
    const title = `${name} at ${target.url.origin}: ${how}, seed ${seed}`
    const lag = report.lag?.p99Ms ?? 0
    const fellBehind = lag > maxLag
    if (asJson)
      printJson({
        url: target.url.href,
        queue: target.isQueue ? name : undefined,
        ...report,
        fellBehind,
        missedEvents: missed,
      })
    else if (markdown) showMarkdown(title, report)
    else showReport(title, report)
    if (missed > 0) say(`triage-queue: ${count(missed)} events were missed: so many waits may be missing`)
    if (fellBehind) {
      say(
        `triage-queue: The generator fell behind: it was late by ${timeText(lag)} for 99 % (--max-lag ${timeText(maxLag)}), so this was another load: a lower --rate, or another machine`,
      )
    }
    if (this.#by !== undefined) return exitCodeOf(this.#by)
    if (fellBehind || report.all.done === 0)
      return report.gates.some(({ holds }) => !holds) && !fellBehind ? Exit.GATE : Exit.FAILED
    return report.gates.every(({ holds }) => holds) ? Exit.OK : Exit.GATE
  }

  #listen(): () => void {
    return onSignals({
      first: (signal) => {
        this.#by = signal
        say(`triage-queue: ${signal}: sends no more, and waits for ${count(this.#inFlight)} answers; once more to end`)
        this.#stop()
      },
      second: (signal) => endProcess(exitCodeOf(signal)),
    })
  }

  /** @returns ends it */
  #draw({ count: all, lengthMs }: Schedule): () => void {
    const { stderr } = process
    if (stderr.isTTY !== true) return () => {}
    const began = performance.now()
    let width = 0
    const write = (line: string): void => {
      stderr.write(`\r${line}${' '.repeat(Math.max(width - line.length, 0))}`)
      width = line.length
    }
    const timer = setInterval(() => {
      const ms = Math.min(performance.now() - began, lengthMs)
      const line = `${timeText(ms)} of ${timeText(lengthMs)}  ${count(Math.min(this.#next, all))} sent  ${count(this.#inFlight)} in flight`
      write(line.slice(0, columnsOf(stderr) - 1))
    }, DRAW_MS)
    return () => {
      clearInterval(timer)
      if (width > 0) stderr.write(`\r${' '.repeat(width)}\r`)
    }
  }
}

const TELL_MS = 3_000

/** Until each that was done has been told of, or for some time. */
async function allTold(waits: Waits, { endedAt, code }: Noted): Promise<void> {
  const isMissing = (): boolean =>
    endedAt.some((at, i) => code[i] === 0 && !Number.isNaN(at) && Number.isNaN(waits.of[i]))
  const until = performance.now() + TELL_MS
  while (performance.now() < until && isMissing()) await new Promise((resolve) => setTimeout(resolve, 50))
}

function opened(file: string): number {
  try {
    return openSync(file, 'w')
  } catch (error) {
    throw cannot(`--out can't be written: ${messageOf(error)}`)
  }
}

/** Times are ms since 1970, on the wall as others see it. */
function writeLog(descriptor: number, { at, tier, count: all }: Schedule, noted: Noted): void {
  const { sentAt, endedAt, code, codes, beganAt } = noted
  const wall = (ms: number | undefined): number | undefined =>
    ms === undefined || Number.isNaN(ms) ? undefined : beganAt + ms
  for (let i = 0; i < all; i++) {
    const line = {
      n: i,
      tier: priorities[tier[i] as number],
      intendedAt: wall(at[i]),
      sentAt: wall(sentAt[i]),
      endedAt: wall(endedAt[i]),
    }
    const end = line.endedAt === undefined ? undefined : codes[code[i] as number]
    writeSync(descriptor, `${JSON.stringify({ ...line, code: end })}\n`)
  }
  closeSync(descriptor)
}

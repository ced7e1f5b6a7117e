/**
 * Is a step in the downstream's capacity found? The limit over time under adaptive() and gradient2().
 *
 * The downstream has servers, and a first-in first-out line before them that has no end: what is too much for it makes it
 * slow, and nothing else. There are always more callers than it can serve.
 */
import { adaptive, gradient2, type LimitPolicy, QueuedExecutor } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { mean, type Point, quantile, sample } from './sampling.ts'
import { colours } from './series.ts'

const MEAN_RUN_MS = 200
const SECONDS = 120
const CALLERS = 250
const STEP_SECONDS = 40
const STEPS: readonly Point[] = [
  [0, 20],
  [40, 60],
  [80, 20],
]

export async function limitStep(): Promise<string> {
  const adapted = await follow(adaptive())
  const gradient = await follow(gradient2())
  return draw({
    title:
      `adaptive() finds 20, 60 and again 20 servers: its mean limit is ${means(adapted)}, half of the runs take ${median(adapted)} at most. ` +
      `gradient2() queues inside the downstream: ${means(gradient)}, and ${median(gradient)}.`,
    subtitle:
      'A downstream of 20 servers, 60 from 40 s to 80 s; 100 to 300 ms of service; 250 callers that ask again at once. ' +
      `Means of the limit are those from 20 s after each step on. Answers in all: ${adapted.answers} and ${gradient.answers}.`,
    x: { label: 'time, s', ticks: [0, 20, 40, 60, 80, 100, 120] },
    y: { label: 'calls at once', ticks: [0, 50, 100, 150, 200] },
    panels: [
      {
        heading: 'the limit that was learnt',
        series: [
          { name: 'servers of the downstream', colour: colours.grey, dash: '5 4', points: asSteps() },
          { name: 'adaptive()', colour: colours.blue, points: adapted.limits },
          { name: 'gradient2()', colour: colours.orange, points: gradient.limits },
        ],
      },
    ],
  })
}

/** The mean limit of each step, once it has had the time to be found. */
function means({ limits }: Followed): string {
  const found = STEPS.map(([from]) => limits.filter(([x]) => x > from + STEP_SECONDS / 2 && x <= from + STEP_SECONDS))
  return found.map((points) => mean(points.map(([, limit]) => limit)).toFixed(0)).join(', ')
}

function median({ runsMs }: Followed): string {
  return `${quantile(runsMs, 0.5).toFixed(0)} ms`
}

interface Followed {
  readonly limits: Point[]
  readonly runsMs: number[]
  readonly answers: number
}

async function follow(limit: LimitPolicy): Promise<Followed> {
  const clock = new VirtualClock()
  const downstream = new Downstream(clock)
  const queue = new QueuedExecutor(() => downstream.call(), { clock, limit })
  const caller = async (): Promise<void> => {
    while (clock.now() < SECONDS * 1_000) await queue.execute(undefined)
  }
  for (let i = 0; i < CALLERS; i++) void caller()
  const limits: Point[] = []
  await sample(clock, { everyMs: 500, untilMs: SECONDS * 1_000 }, (seconds) =>
    limits.push([seconds, queue.concurrency]),
  )
  const { runsMs } = downstream
  const answers = runsMs.length
  await clock.run()
  return { limits, runsMs: runsMs.slice(0, answers), answers }
}

class Downstream {
  readonly runsMs: number[] = []
  readonly #clock: VirtualClock
  readonly #random = seeded(1)
  readonly #line: (() => void)[] = []
  #busy = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  async call(): Promise<void> {
    const cameAt = this.#clock.now()
    await new Promise<void>((resolve) => {
      this.#line.push(resolve)
      this.#serve()
    })
    this.runsMs.push(this.#clock.now() - cameAt)
  }

  #serve(): void {
    while (this.#busy < serversAt(this.#clock.now() / 1_000)) {
      const answer = this.#line.shift()
      if (answer === undefined) return
      this.#busy++
      this.#clock.setTimeout(
        () => {
          this.#busy--
          answer()
          this.#serve()
        },
        spread(this.#random, MEAN_RUN_MS),
      )
    }
  }
}

function serversAt(seconds: number): number {
  return (STEPS.findLast(([from]) => from <= seconds) as Point)[1]
}

/** As a line that goes up and down at right angles. */
function asSteps(): Point[] {
  const corners = STEPS.slice(1).flatMap(([at, servers]): Point[] => [
    [at, serversAt(at - 1)],
    [at, servers],
  ])
  return [[0, serversAt(0)], ...corners, [SECONDS, serversAt(SECONDS)]]
}

/** Where a request's time went: on one axis, and step by step. */
import { Panel } from './parts.tsx'
import { isNarrow, now } from './state.ts'
import { preciseTime, shortSeconds } from './units.ts'
import type { Request, Step } from './wire.ts'

export const live: readonly string[] = [
  'checking',
  'blocked',
  'storing',
  'held',
  'waiting',
  'starting',
  'running',
  'retrying',
]
export const inWords: { readonly [state: string]: string } = {
  held: 'Delayed',
  dead: 'Dead',
  shed: 'Displaced',
  parked: 'Parked',
}

const lanes: readonly (readonly [Step['phase'], string])[] = [
  ['queue', 'In the queue'],
  ['backoff', 'Backing off'],
  ['run', 'In a slot'],
]

function spanOf({ from, to }: Step, end: number): number {
  return Math.max((to === null ? end : Date.parse(to)) - Date.parse(from), 0)
}

/** What has become of one request so far. */
interface Life {
  readonly steps: readonly Step[]
  readonly request: Request
  /** When it ended, or now, in ms since 1970. */
  readonly end: number
}

/** On one axis, from its submission on. */
export function WhereTimeWent({ steps, request, end }: Life) {
  const start = Date.parse(request.submittedAt)
  const whole = Math.max(end - start, 1)
  const sums = lanes.map(
    ([phase, name]) =>
      [name, steps.filter((step) => step.phase === phase).reduce((sum, step) => sum + spanOf(step, end), 0)] as const,
  )
  const words = sums.filter(([, ms]) => ms > 0).map(([name, ms]) => `${shortSeconds(ms)} ${name.toLowerCase()}`)
  const isLive = live.includes(request.state)
  return (
    <Panel
      title="Where its time went"
      note={`seconds since it was submitted, ${preciseTime(request.submittedAt, now.value)} UTC`}
      side={<span class="quiet">{`${shortSeconds(whole)} s${isLive ? ' so far' : ''}: ${words.join(' · ')}`}</span>}
      class="spans"
    >
      <div class="lanes" role="img" aria-label={`In seconds: ${words.join(', ')}`}>
        {lanes.map(([phase, name]) => (
          <div key={phase} class="lane">
            <span>{name}</span>
            <div>
              {steps
                .filter((step) => step.phase === phase)
                .map((step) => {
                  const left = ((Date.parse(step.from) - start) / whole) * 100
                  const width = (spanOf(step, end) / whole) * 100
                  const isBad = step.phase === 'run' && step.error !== undefined
                  const text = `${step.phase === 'run' ? `run ${step.attempt}${isBad ? ' failed' : ''} · ` : ''}${shortSeconds(spanOf(step, end))}${step.to === null ? ' …' : ''}`
                  return (
                    <i
                      key={`${step.from} ${step.phase}`}
                      class={`${step.phase} ${isBad ? 'failed' : request.priority}`}
                      style={{ left: `${left}%`, width: `max(3px, ${width}%)` }}
                      title={text}
                    >
                      {width > text.length * (isNarrow.value ? 6 : 0.9) && <b>{text}</b>}
                    </i>
                  )
                })}
            </div>
          </div>
        ))}
        <div class="lane axis">
          <span />
          <div>
            {(isNarrow.value ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]).map((at) => (
              <em key={at} style={{ left: `${at * 100}%` }}>
                {shortSeconds(whole * at)}
              </em>
            ))}
          </div>
        </div>
      </div>
    </Panel>
  )
}

const whats: { readonly [P in Step['phase']]: string } = { queue: 'Waiting', run: 'Run', backoff: 'Backing off' }

export function TimeLine({ steps, request, end }: Life) {
  const start = Date.parse(request.submittedAt)
  return (
    <Panel class="table" title="Time line" note="UTC, and since submission">
      <table class="list">
        <caption class="hidden">What happened to it, in order</caption>
        <thead>
          <tr>
            <th scope="col" class="narrow-off">
              At
            </th>
            <th scope="col" class="num">
              After, s
            </th>
            <th scope="col">What</th>
            <th scope="col" class="num">
              Took, s
            </th>
            <th scope="col">Details</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => {
            const { phase, from, to, attempt, outcome, error } = step
            return (
              <tr key={`${from} ${phase}`}>
                <td class="narrow-off quiet">{preciseTime(from, now.value)}</td>
                <td class="num">{shortSeconds(Date.parse(from) - start)}</td>
                <td>
                  <span class={`dot ${error !== undefined ? 'bad' : to === null ? 'open' : ''}`} />
                  {phase === 'run'
                    ? `Run ${attempt}`
                    : attempt > 1 && phase === 'queue'
                      ? 'Waiting again'
                      : whats[phase]}
                  {outcome !== undefined && (
                    <b class={error === undefined ? '' : 'bad'}> {outcome === 'dead' ? 'failed' : outcome}</b>
                  )}
                </td>
                <td class="num">{shortSeconds(spanOf(step, end))}</td>
                <td class="cut">
                  {error === undefined
                    ? to === null
                      ? 'goes on'
                      : ''
                    : [error.name, error.code].filter(Boolean).join(' · ')}
                </td>
              </tr>
            )
          })}
          {request.endedAt !== undefined && (
            <tr>
              <td class="narrow-off quiet">{preciseTime(request.endedAt, now.value)}</td>
              <td class="num">{shortSeconds(Date.parse(request.endedAt) - start)}</td>
              <td>
                <span class={`dot ${request.error === undefined ? '' : 'bad'}`} />
                <b>{inWords[request.state] ?? request.state}</b>
              </td>
              <td class="num">–</td>
              <td class="cut">
                {request.error === undefined
                  ? ''
                  : [request.error.name, request.error.code, request.error.message].filter(Boolean).join(' · ')}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </Panel>
  )
}

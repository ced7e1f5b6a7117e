/** One request: where its time went, step by step, what it is about when one asks for it, and what one can do with it. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask, ofRequest, Problem, pathOf } from './api.ts'
import { act, changes, open } from './dialogs.tsx'
import type { QueueModel } from './model.ts'
import { Icon, Panel, TierName } from './parts.tsx'
import { canChange, goTo, isNarrow, isOperator, link, now, urlOf, whyNot } from './state.ts'
import { count, duration, preciseTime, seconds } from './units.ts'
import type { Request, Step } from './wire.ts'

const live: readonly string[] = ['checking', 'blocked', 'storing', 'held', 'waiting', 'starting', 'running', 'retrying']
const inWords: { readonly [state: string]: string } = {
  held: 'Delayed',
  dead: 'Dead',
  shed: 'Displaced',
  parked: 'Parked',
}

export function RequestPage({ model, id }: { readonly model: QueueModel; readonly id: string }) {
  const { name } = model
  const request = useSignal<Request | undefined>(undefined)
  const problem = useSignal<Problem | undefined>(undefined)
  const tick = request.value !== undefined && !live.includes(request.value.state) ? 0 : now.value
  // while it lives it is looked at each second.
  useEffect(() => {
    let isOver = false
    ask<Request>(`${pathOf(name)}${ofRequest(id)}`)
      .then((found) => {
        if (isOver) return
        request.value = found
        problem.value = undefined
      })
      .catch((error: unknown) => {
        if (!isOver && error instanceof Problem) problem.value = error
      })
    return () => {
      isOver = true
    }
  }, [name, id, tick, changes.value])
  const found = request.value
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={urlOf({ at: 'queue', queue: name, tab: 'running' })}>{name}</a>
        <span aria-hidden="true">›</span>
        <span class="cut">{id}</span>
      </nav>
      {problem.value !== undefined && link.value.state === 'live' && (
        <p class="refusal" role="alert">
          <b>
            {problem.value.status === 404
              ? `No request “${id}”: never here, or no longer kept.`
              : problem.value.message}
          </b>
        </p>
      )}
      {found !== undefined && <Found model={model} request={found} look={() => changes.value++} />}
    </>
  )
}

function Found({ model, request, look }: { readonly model: QueueModel; readonly request: Request; look(): void }) {
  const { id, state, priority, attempts, timeline = [] } = request
  const isLive = live.includes(state)
  const end = request.endedAt === undefined ? now.value : Date.parse(request.endedAt)
  return (
    <>
      <div class="subject">
        <h1 title={id}>{id}</h1>
        <TierName tier={priority} />
        <p>
          <b class={state === 'dead' || state === 'expired' ? 'bad' : ''}>
            {inWords[state] ?? state[0]?.toUpperCase() + state.slice(1)}
          </b>
          {attempts > 0 && `, ${count(attempts)} ${attempts === 1 ? 'attempt' : 'attempts'} begun`}
          {request.position !== undefined && `, position ${count(request.position + 1)}`}
          {request.estimateMs !== undefined && `, starts in about ${duration(request.estimateMs)}`}
          {request.progress !== undefined && `, ${Math.floor(request.progress.fraction * 100)} % done`}
        </p>
        <span class="gap" />
        <Actions queue={model.name} request={request} isLive={isLive} look={look} />
      </div>
      <WhereTimeWent steps={timeline} request={request} end={end} />
      <div class="two">
        <TimeLine steps={timeline} request={request} end={end} />
        <About queue={model.name} request={request} />
      </div>
    </>
  )
}

function Actions({
  queue,
  request,
  isLive,
  look,
}: {
  readonly queue: string
  readonly request: Request
  readonly isLive: boolean
  look(): void
}) {
  const { id, state, generation } = request
  const seen = generation > 0 ? { seen: generation } : {}
  const isOff = !canChange.value
  const title = whyNot.value
  if (!isLive && state !== 'dead') return null
  if (state === 'dead') {
    return (
      <button
        type="button"
        class="control"
        disabled={isOff}
        title={title}
        onClick={() =>
          open({
            kind: 'confirm',
            title: `Requeue ${id}?`,
            text: 'It comes in as if sent now, at the end of its tier, with fresh attempts. Its caller is gone. What the first attempts have done may be done again.',
            ...{
              yes: 'Requeue 1',
              no: 'Keep it',
              run: () => act({ queue, path: `${ofRequest(id)}/requeue`, seen: generation }),
            },
          })
        }
      >
        Requeue
      </button>
    )
  }
  return (
    <>
      <button
        type="button"
        class="control"
        disabled={isOff || state === 'running'}
        title={state === 'running' ? 'It runs already' : title}
        onClick={() => open({ kind: 'tier', queue, request, done: look })}
      >
        Change tier
      </button>
      <button
        type="button"
        class="control"
        disabled={isOff}
        title={title}
        onClick={() =>
          open({
            kind: 'confirm',
            title: `Cancel ${id}?`,
            text: `Its caller gets TRIAGE_CANCELLED.${state === 'running' ? ' Its run is told to stop and may go on.' : ''}`,
            ...{ yes: 'Cancel it', no: state === 'running' ? 'Let it run' : 'Let it wait' },
            run: () => act({ queue, path: `${ofRequest(id)}/cancel`, ...seen }),
          })
        }
      >
        Cancel
      </button>
    </>
  )
}

const lanes: readonly (readonly [Step['phase'], string])[] = [
  ['queue', 'In the queue'],
  ['backoff', 'Backing off'],
  ['run', 'In a slot'],
]

function spanOf({ from, to }: Step, end: number): number {
  return Math.max((to === null ? end : Date.parse(to)) - Date.parse(from), 0)
}

/** On one axis, from its submission on. */
function WhereTimeWent({
  steps,
  request,
  end,
}: {
  readonly steps: readonly Step[]
  readonly request: Request
  readonly end: number
}) {
  const start = Date.parse(request.submittedAt)
  const whole = Math.max(end - start, 1)
  const sums = lanes.map(
    ([phase, name]) =>
      [name, steps.filter((step) => step.phase === phase).reduce((sum, step) => sum + spanOf(step, end), 0)] as const,
  )
  const words = sums.filter(([, ms]) => ms > 0).map(([name, ms]) => `${seconds(ms)} ${name.toLowerCase()}`)
  const isLive = live.includes(request.state)
  return (
    <Panel
      title="Where its time went"
      note={`seconds since it was submitted, ${preciseTime(request.submittedAt, now.value)} UTC`}
      side={<span class="quiet">{`${seconds(whole)} s${isLive ? ' so far' : ''}: ${words.join(' · ')}`}</span>}
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
                  const text = `${step.phase === 'run' ? `run ${step.attempt}${isBad ? ' failed' : ''} · ` : ''}${seconds(spanOf(step, end))}${step.to === null ? ' …' : ''}`
                  return (
                    <i
                      key={`${step.from} ${step.phase}`}
                      class={`${step.phase} ${isBad ? 'failed' : request.priority}`}
                      style={{ left: `${left}%`, width: `max(3px, ${width}%)` }}
                      title={text}
                    >
                      {width > text.length * (isNarrow.value ? 3.6 : 0.9) && <b>{text}</b>}
                    </i>
                  )
                })}
            </div>
          </div>
        ))}
        <div class="lane axis">
          <span />
          <div>
            {[0, 0.25, 0.5, 0.75, 1].map((at) => (
              <em key={at} style={{ left: `${at * 100}%` }}>
                {seconds(whole * at)}
              </em>
            ))}
          </div>
        </div>
      </div>
    </Panel>
  )
}

const whats: { readonly [P in Step['phase']]: string } = { queue: 'Waiting', run: 'Run', backoff: 'Backing off' }

function TimeLine({
  steps,
  request,
  end,
}: {
  readonly steps: readonly Step[]
  readonly request: Request
  readonly end: number
}) {
  const start = Date.parse(request.submittedAt)
  return (
    <Panel title="Time line" note="UTC, and since submission">
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
                <td class="num">{seconds(Date.parse(from) - start)}</td>
                <td>
                  <span class={`dot ${error !== undefined ? 'bad' : to === null ? 'open' : ''}`} />
                  {phase === 'run'
                    ? `Run ${attempt}`
                    : attempt > 1 && phase === 'queue'
                      ? 'Waiting again'
                      : whats[phase]}
                  {outcome !== undefined && <b class={error === undefined ? '' : 'bad'}> {outcome}</b>}
                </td>
                <td class="num">{seconds(spanOf(step, end))}</td>
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
              <td class="num">{seconds(Date.parse(request.endedAt) - start)}</td>
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

function About({ queue, request }: { readonly queue: string; readonly request: Request }) {
  const { id, generation, priority, key, kind, slot, metadata, result } = request
  const payload = useSignal<{ readonly text: string } | undefined>(undefined)
  const problem = useSignal<string | undefined>(undefined)
  const show = async (): Promise<void> => {
    try {
      const { payload: found } = await ask<Request>(`${pathOf(queue)}${ofRequest(id)}?include=payload`)
      payload.value = { text: found === undefined ? 'It is not kept any more.' : JSON.stringify(found, undefined, 2) }
    } catch (error) {
      problem.value = (error as Error).message
    }
  }
  const rows: readonly (readonly [string, unknown])[] = [
    ['Generation', generation > 0 ? count(generation) : undefined],
    ['Key', key],
    ['Kind', kind],
    ['Slot', slot === undefined ? undefined : slot + 1],
    ['Metadata', metadata === undefined ? undefined : JSON.stringify(metadata)],
    ['Result', result === undefined ? undefined : JSON.stringify(result)],
  ]
  return (
    <Panel title="The request">
      <dl class="about">
        <dt>Id</dt>
        <dd class="mono">{id}</dd>
        <dt>Tier</dt>
        <dd>
          <TierName tier={priority} />
        </dd>
        {rows.map(([name, value]) =>
          value === undefined ? null : (
            <>
              <dt key={name}>{name}</dt>
              <dd class="mono">{String(value)}</dd>
            </>
          ),
        )}
        <dt>Payload</dt>
        <dd>
          {payload.value === undefined ? (
            <>
              hidden{' '}
              <button
                type="button"
                class="control small"
                disabled={!isOperator.value}
                title={isOperator.value ? 'This is audited' : 'Needs operator'}
                onClick={() => void show()}
              >
                Show, redacted
              </button>
            </>
          ) : (
            <pre>{payload.value.text}</pre>
          )}
          {problem.value !== undefined && <span class="bad"> {problem.value}</span>}
        </dd>
      </dl>
      <p class="note">Showing a payload is written to the audit log.</p>
    </Panel>
  )
}

export function NoSuchQueue({ name }: { readonly name: string }) {
  return (
    <p class="refusal" role="alert">
      <Icon name="warn" /> <b>There is no queue “{name}” here.</b>{' '}
      <button type="button" class="link" onClick={() => goTo({ at: 'all' })}>
        All queues
      </button>
    </p>
  )
}

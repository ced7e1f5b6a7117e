/** One request: where its time went, step by step, what it is about when one asks for it, and what one can do with it. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask, ofRequest, Problem, pathOf } from './api.ts'
import { act, changes, open } from './dialogs.tsx'
import type { QueueModel } from './model.ts'
import { Icon, TierName } from './parts.tsx'
import { About } from './request-about.tsx'
import { inWords, live, TimeLine, WhereTimeWent } from './request-time.tsx'
import { canChange, goTo, lastTab, link, now, urlOf, whyNot } from './state.ts'
import { count, duration, inSentence } from './units.ts'
import type { Request } from './wire.ts'

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
        // A path with dots in it leads elsewhere.
        if (found.id !== id) throw new Problem(404, 'NOT_FOUND', '')
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
  const words =
    problem.value?.status !== 404
      ? problem.value?.message
      : found === undefined
        ? `No request “${inSentence(id, 200)}”: never here, or no longer kept.`
        : 'It has ended and is kept no longer: this is what was known of it last.'
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={urlOf({ at: 'queue', queue: name, tab: lastTab.value })}>{name}</a>
        <span aria-hidden="true">›</span>
        <span class="cut">{id}</span>
      </nav>
      {problem.value !== undefined && link.value.state === 'live' && (
        <div class="refusal" role="alert">
          {found === undefined ? <h1>{words}</h1> : <b>{words}</b>}
        </div>
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
            title: `Requeue ${inSentence(id)}?`,
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
            title: `Cancel ${inSentence(id)}?`,
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

export function NoSuchQueue({ name }: { readonly name: string }) {
  return (
    <div class="refusal" role="alert">
      <Icon name="warn" /> <h1>There is no queue “{inSentence(name)}” here.</h1>{' '}
      <button type="button" class="link" onClick={() => goTo({ at: 'all' })}>
        All queues
      </button>
    </div>
  )
}

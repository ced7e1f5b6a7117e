/** The first two lines: which queue, who one is, whether it is live; and how it is, in a sentence, with what one can turn. */
import { useSignal } from '@preact/signals'
import { act, open } from './dialogs.tsx'
import type { QueueModel } from './model.ts'
import { Icon, type IconName, Sentence } from './parts.tsx'
import {
  canChange,
  goTo,
  isOperator,
  isStale,
  link,
  model,
  now,
  place,
  queues,
  session,
  urlOf,
  whyNot,
} from './state.ts'
import { tryNow } from './stream.ts'
import { clockTime, count, duration, inSentence } from './units.ts'
import { type Verdict, verdictOf } from './verdict.ts'

export function Head() {
  const here = place.value
  const names = [...queues.value.keys()]
  const queue = here.at === 'all' ? undefined : here.queue
  const { state, asOf, silentMs } = link.value
  return (
    <header class="head">
      <a class="brand" href={urlOf({ at: 'all' })} aria-label="triage-queue, all queues">
        <svg width="18" height="16" viewBox="0 0 18 16" aria-hidden="true">
          <path class="urgent" d="M1 2h15" />
          <path class="high" d="M1 6h12" />
          <path class="normal" d="M1 10h9" />
          <path class="low" d="M1 14h5" />
        </svg>
        <span>triage-queue</span>
      </a>
      {names.length > 0 && (
        <select
          class="control queue"
          aria-label="Queue"
          value={queue ?? ''}
          onChange={({ currentTarget: { value } }) =>
            goTo(value === '' ? { at: 'all' } : { at: 'queue', queue: value, tab: 'running' })
          }
        >
          {(names.length > 1 || queue === undefined) && <option value="">All queues</option>}
          {queue !== undefined && !names.includes(queue) && (
            <option value={queue} disabled>
              {queue}, not here
            </option>
          )}
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      )}
      {queue !== undefined && (
        <nav aria-label="Views">
          <a
            href={urlOf({ at: 'queue', queue, tab: 'running' })}
            aria-current={here.at === 'settings' ? undefined : 'page'}
          >
            Overview
          </a>
          <a href={urlOf({ at: 'settings', queue })} aria-current={here.at === 'settings' ? 'page' : undefined}>
            Settings
          </a>
        </nav>
      )}
      <span class="gap" />
      <span class={`live is-${state}`}>
        <i />
        {state === 'live'
          ? 'live'
          : state === 'connecting'
            ? 'connecting'
            : state === 'resting'
              ? 'resting'
              : 'not live'}
      </span>
      <span class="time">{asOf === null ? '–' : clockTime(now.value + (state === 'live' ? 0 : silentMs))} UTC</span>
      <Badge />
      <button
        type="button"
        class="control key"
        aria-label="All keys"
        title="All keys: ?"
        onClick={() => open({ kind: 'keys' })}
      >
        ?
      </button>
    </header>
  )
}

/** What one may do, and the way to log in or out. */
function Badge() {
  const who = session.value
  if (who === undefined || who === null) return null
  const label = isOperator.value ? who.level : 'read-only'
  const title = `${who.name}, ${who.level}`
  return (
    <button type="button" class="badge" title={title} onClick={() => open({ kind: 'session' })}>
      {label}
    </button>
  )
}

/** In whole seconds, since it counts. */
function silence(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 1_000)} s` : duration(ms)
}

const icons: { readonly [K in Verdict['kind']]: IconName } = { good: 'check', bad: 'alert', warn: 'warn', idle: 'dash' }

/** How it is, and what one can turn. It has its place in every state. */
export function VerdictLine() {
  const here = model.value
  const { state, asOf, silentMs, nextMs } = link.value
  const verdict = here === undefined ? undefined : verdictOf(here)
  const isCut = state === 'cut'
  const kind = isCut ? 'warn' : (verdict?.kind ?? 'idle')
  const headline = isCut
    ? 'Disconnected'
    : (verdict?.headline ?? (silentMs > 3_000 ? 'Waiting for the first frame' : 'Connecting'))
  return (
    <div class={`verdict ${kind}`}>
      <span class="mark">
        <Icon name={isCut ? 'pulse' : icons[kind]} />
      </span>
      {/* On a change of the headline alone: who listens is not told each second. */}
      <p class="hidden" role="status">
        {headline}
      </p>
      <h1>
        {headline}
        {isCut && ` for ${silence(silentMs)}`}
      </h1>
      <p>
        {isCut ? (
          <>
            {asOf === null ? (
              'Nothing has been heard yet.'
            ) : (
              <>
                What you see is as of <b>{clockTime(asOf)} UTC</b>.
              </>
            )}{' '}
            Next try in {Math.ceil(nextMs / 1_000)} s.
          </>
        ) : (
          verdict !== undefined && <Sentence words={verdict.words} />
        )}
      </p>
      <span class="gap" />
      {isCut && (
        <button type="button" class="control" onClick={tryNow}>
          Try now
        </button>
      )}
      {here !== undefined && <Controls key={here.name} model={here} />}
    </div>
  )
}

function Controls({ model: { name, status } }: { readonly model: QueueModel }) {
  const { state, maxWorkers, running, waiting, maxQueueSize, limit, activeWorkers } = status
  const steps = useSignal(0)
  const isPaused = state === 'paused'
  const isOff = !canChange.value || state === 'closing' || state === 'closed'
  const title = whyNot.value
  const wanted = Math.max(maxWorkers + steps.value, 1)
  const pause = (): void => {
    // What refuses it is shown.
    if (isPaused) void act({ queue: name, path: '/resume' }).catch(() => {})
    else
      open({
        kind: 'confirm',
        title: `Pause ${inSentence(name)}?`,
        text: `${count(running)} running go on, ${count(waiting)} wait, newcomers are admitted${maxQueueSize === null ? '' : ` until ${count(maxQueueSize)} wait`}.`,
        ...{ yes: 'Pause', no: 'Keep running', run: () => act({ queue: name, path: '/pause' }) },
      })
  }
  const set = (): void => {
    const below = Math.max(activeWorkers - wanted, 0)
    open({
      kind: 'confirm',
      title: `Set ${count(wanted)} slots?`,
      text: [
        `It has ${count(maxWorkers)} now.`,
        ...(below > 0 ? [`${count(below)} running finish first.`] : []),
        ...(limit === null || limit.shadow ? [] : [`${limit.name} goes on from ${count(wanted)}.`]),
      ].join(' '),
      ...{ yes: `Set ${count(wanted)} slots`, no: `Keep ${count(maxWorkers)}` },
      run: async () => {
        await act({ queue: name, path: '', method: 'PATCH', body: { concurrency: wanted } })
        steps.value = 0
      },
    })
  }
  return (
    <>
      <button type="button" class="control pause" disabled={isOff} title={title} onClick={pause}>
        {!isPaused && <Icon name="pause" />}
        {isPaused ? 'Resume' : 'Pause'}
      </button>
      <fieldset
        class="control slots"
        aria-label="Slots"
        onKeyDown={({ key }) => {
          if (key === 'Escape') steps.value = 0
        }}
      >
        <span class="label">Slots</span>
        <b>{isStale.value ? '–' : count(wanted)}</b>
        <button
          type="button"
          aria-label="One slot less"
          disabled={isOff || wanted <= 1}
          title={title}
          onClick={() => steps.value--}
        >
          −
        </button>
        <button type="button" aria-label="One slot more" disabled={isOff} title={title} onClick={() => steps.value++}>
          +
        </button>
      </fieldset>
      {wanted !== maxWorkers && !isOff && (
        <button type="button" class="control primary set" onClick={set}>
          Set {count(wanted)} slots
        </button>
      )}
    </>
  )
}

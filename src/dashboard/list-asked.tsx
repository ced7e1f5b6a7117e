/** What waits, backs off, is put off, has ended or is dead: pages that the service is asked for. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { ask, pathOf } from './api.ts'
import { DeadActions } from './dead.tsx'
import { Empty, Failed, Held, IdLink, KeyCell, KeyHead, names, Row, Table, useRows } from './list-parts.tsx'
import type { QueueModel } from './model.ts'
import { TierName } from './parts.tsx'
import { findText, isOperator, isStale, now, type Tab, tierFilter } from './state.ts'
import { count, preciseTime, shortSeconds } from './units.ts'
import type { Page, Request } from './wire.ts'

const PER_PAGE = 50

const stateOf: { readonly [T in Tab]?: string } = {
  waiting: 'waiting',
  retrying: 'retrying',
  delayed: 'held',
  ended: 'ended',
  dead: 'dead',
}

const notes: { readonly [T in Tab]?: string } = {
  waiting: 'by tier, the oldest first',
  delayed: 'as they were submitted',
}

export function Asked({ model, tab }: { readonly model: QueueModel; readonly tab: Tab }) {
  const { name } = model
  const cursors = useSignal<readonly string[]>([])
  const chosen = useSignal<ReadonlySet<string>>(new Set())
  const query = new URLSearchParams({ state: stateOf[tab] ?? '', limit: `${PER_PAGE}` })
  if (tab === 'waiting') query.set('order', 'next')
  if (tierFilter.value !== '') query.set('priority', tierFilter.value)
  if (findText.value.trim() !== '') query.set('id', findText.value.trim())
  const cursor = cursors.value.at(-1)
  if (cursor !== undefined) query.set('cursor', cursor)
  const { shown, waiting, problem, hold, showNew, tryAgain, readAt } = useRows(
    `${pathOf(name)}/requests?${query}`,
    (path) => ask<Page>(path),
  )
  hold(chosen.value.size > 0)
  const rows = shown.value?.requests
  const isFirstPage = cursors.value.length === 0
  if (problem.value !== undefined && !isStale.value) return <Failed problem={problem.value} tryAgain={tryAgain} />
  if (rows === undefined) return <p class="empty">–</p>
  if (rows.length === 0 && isFirstPage)
    return <Empty tab={tab} queue={name} isAll={tierFilter.value === '' && findText.value === ''} />
  const newer = newerIn(rows, waiting.value?.requests)
  const hasKey = rows.some(({ key }) => key !== undefined)
  return (
    <>
      {tab === 'dead' && <DeadActions queue={name} rows={rows} chosen={chosen} />}
      <Table
        caption={names[tab]}
        hold={(held) => {
          hold(held || chosen.value.size > 0)
          if (!held && chosen.value.size === 0) showNew()
        }}
        foot={
          <>
            <Held newer={newer} showNew={showNew} />
            <span>{notes[tab] ?? 'the youngest first'}</span>
            {shown.value?.incomplete === true && (
              <span class="bad">There may be more: too many wait to look for all.</span>
            )}
            {hasNoMessages(tab, rows) && (
              <span>
                {isOperator.value
                  ? 'Messages of errors are not exposed: '
                  : 'Messages of errors are for operators, and only with '}
                <code>exposeErrors</code>.
              </span>
            )}
            <span class="right pages">
              {count(rows.length)} shown{' '}
              <button
                type="button"
                class="link"
                id="newer"
                disabled={isFirstPage}
                onClick={() => (cursors.value = cursors.value.slice(0, -1))}
              >
                {tab === 'waiting' ? 'Before' : 'Newer'}
              </button>
              <button
                type="button"
                class="link"
                id="older"
                disabled={shown.value?.cursor == null}
                onClick={() => (cursors.value = [...cursors.value, shown.value?.cursor as string])}
              >
                {tab === 'waiting' ? 'After' : 'Older'}
              </button>
            </span>
          </>
        }
        head={<Heads tab={tab} hasKey={hasKey} />}
      >
        {rows.map((row) => (
          <AskedRow
            key={`${row.id} ${row.generation}`}
            {...{ queue: name, row, tab, hasKey, chosen }}
            at={readAt.current}
          />
        ))}
      </Table>
    </>
  )
}

/** Why does no error say more than its name? */
function hasNoMessages(tab: Tab, rows: readonly Request[]): boolean {
  const errors = rows.flatMap(({ error }) => error ?? [])
  return tab === 'dead' && errors.length > 0 && errors.every(({ message }) => message === undefined)
}

function newerIn(rows: readonly Request[], waiting: readonly Request[] | undefined): number {
  if (waiting === undefined) return 0
  const known = new Set(rows.map(({ id, generation }) => `${generation} ${id}`))
  return waiting.filter(({ id, generation }) => !known.has(`${generation} ${id}`)).length
}

function Heads({ tab, hasKey }: { readonly tab: Tab; readonly hasKey: boolean }) {
  const num = (text: string, isNarrow = false): ComponentChildren => (
    <th scope="col" class={isNarrow ? 'num' : 'num narrow-off'}>
      {text}
    </th>
  )
  return (
    <>
      {tab === 'dead' && (
        <th scope="col" class="pick">
          <span class="hidden">Chosen</span>
        </th>
      )}
      {tab === 'waiting' && num('Position', true)}
      <th scope="col">Id</th>
      <th scope="col">Tier</th>
      {hasKey && <KeyHead />}
      {tab === 'waiting' && [num('Waited, s', true), num('Starts in about, s')]}
      {tab === 'retrying' && (
        <>
          {num('Next attempt in, s', true)}
          {num('Attempts')}
          <th scope="col" class="narrow-off">
            Last error
          </th>
        </>
      )}
      {tab === 'delayed' && [num('Starts in, s', true), num('Submitted, UTC')]}
      {(tab === 'ended' || tab === 'dead') && (
        <>
          {num('Ended, UTC')}
          <th scope="col">{tab === 'dead' ? 'Last error' : 'Outcome'}</th>
          <th scope="col" class="num narrow-off mid-off">
            Attempts
          </th>
          {[num('Waited, s'), num('Ran, s')]}
        </>
      )}
    </>
  )
}

interface AskedRowProps {
  readonly queue: string
  readonly row: Request
  readonly tab: Tab
  readonly hasKey: boolean
  readonly chosen: { value: ReadonlySet<string> }
  /** When it was read: until it is read again nothing is known of it. */
  readonly at: number
}

function AskedRow({ queue, row, tab, hasKey, chosen, at }: AskedRowProps) {
  const {
    id,
    priority,
    state,
    key,
    position,
    estimateMs,
    submittedAt,
    endedAt,
    attempts,
    waitMs,
    runMs,
    error,
    generation,
    startAt,
    reason,
    nextAttemptAt,
  } = row
  const time = (iso: string | undefined): string => (iso === undefined ? '–' : preciseTime(iso, now.value))
  const pick = `${generation} ${id}`
  const isChosen = chosen.value.has(pick)
  const errorText =
    error === undefined ? '–' : [error.name, error.code, error.message].filter((part) => part !== undefined).join(' · ')
  return (
    <Row queue={queue} id={id} isChosen={isChosen}>
      {tab === 'dead' && (
        <td class="pick">
          <input
            type="checkbox"
            aria-label={`Choose ${id}`}
            checked={isChosen}
            disabled={reason === 'corrupt'}
            onChange={() => {
              const next = new Set(chosen.value)
              if (!next.delete(pick)) next.add(pick)
              chosen.value = next
            }}
          />
        </td>
      )}
      {tab === 'waiting' && <td class="num">{position === undefined ? '–' : count(position + 1)}</td>}
      <td>
        <IdLink queue={queue} id={id} />
      </td>
      <td>
        <TierName tier={priority} />
      </td>
      {hasKey && <KeyCell of={key} />}
      {tab === 'waiting' && (
        <>
          <td class="num">{shortSeconds(Math.max(at - Date.parse(submittedAt), 0))}</td>
          <td class="num narrow-off">{estimateMs === undefined ? '–' : shortSeconds(estimateMs)}</td>
        </>
      )}
      {tab === 'retrying' && (
        <>
          <td class="num">
            {nextAttemptAt === undefined ? '–' : shortSeconds(Math.max(Date.parse(nextAttemptAt) - at, 0))}
          </td>
          <td class="num narrow-off">{count(attempts)}</td>
          <td class="cut narrow-off" title={errorText}>
            {errorText}
          </td>
        </>
      )}
      {tab === 'delayed' && (
        <>
          <td class="num">
            {startAt === undefined ? 'after others' : shortSeconds(Math.max(Date.parse(startAt) - at, 0))}
          </td>
          <td class="num narrow-off">{time(submittedAt)}</td>
        </>
      )}
      {(tab === 'ended' || tab === 'dead') && (
        <>
          <td class="num narrow-off">{time(endedAt)}</td>
          <td class="cut" title={errorText}>
            {tab === 'dead' && reason !== undefined && reason !== 'failed' && <b>{reason} </b>}
            {tab === 'dead' ? errorText : state}
            {tab === 'ended' && error !== undefined && <span class="quiet"> {errorText}</span>}
          </td>
          <td class="num narrow-off mid-off">{count(attempts)}</td>
          <td class="num narrow-off">{waitMs === undefined ? '–' : shortSeconds(waitMs)}</td>
          <td class="num narrow-off">{runMs === undefined ? '–' : shortSeconds(runMs)}</td>
        </>
      )}
    </Row>
  )
}

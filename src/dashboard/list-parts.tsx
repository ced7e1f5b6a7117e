/** What every list has: rows and cells, what stands in its place when it is empty or could not be read, and when it is held. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { base, type Problem, pathOf } from './api.ts'
import { changes } from './dialogs.tsx'
import { findText, goTo, idLength, link, now, session, type Tab, tierFilter, urlOf } from './state.ts'
import { count, middle } from './units.ts'

const LOOK_MS = 2_000

export const names: { readonly [T in Tab]: string } = {
  running: 'Running',
  waiting: 'Waiting',
  retrying: 'Retrying',
  delayed: 'Delayed',
  ended: 'Ended',
  dead: 'Dead',
  refused: 'Refused',
}

const nothing: { readonly [T in Tab]: string } = {
  running: 'What is started stands here, slot by slot.',
  waiting: 'Nothing waits.',
  retrying: 'Nothing backs off.',
  delayed: 'Nothing is put off.',
  ended: 'Nothing has ended that is still kept.',
  dead: 'No dead letters. What fails for good is kept here, to be looked at and requeued.',
  refused: 'None refused since the service began.',
}

export const fits = (id: string | null, priority: string | null): boolean =>
  (tierFilter.value === '' || priority === tierFilter.value) &&
  (findText.value === '' || id?.startsWith(findText.value.trim()) === true)

/** Whose it is, where there is room. */
export function KeyHead() {
  return (
    <th scope="col" class="narrow-off cut key">
      Key
    </th>
  )
}

export function KeyCell({ of }: { readonly of: string | null | undefined }) {
  return (
    <td class="narrow-off cut key" title={of ?? undefined}>
      {of ?? '–'}
    </td>
  )
}

export function IdLink({ queue, id }: { readonly queue: string; readonly id: string }) {
  return (
    <a class="id" href={urlOf({ at: 'request', queue, id })} title={id}>
      {middle(id, idLength.value)}
    </a>
  )
}

/** Rows that are asked for again and again, unless they are being read. */
export function useRows<T>(path: string, load: (path: string) => Promise<T>) {
  const shown = useSignal<T | undefined>(undefined)
  const waiting = useSignal<T | undefined>(undefined)
  const problem = useSignal<Problem | undefined>(undefined)
  const isHeld = useRef(false)
  // What has left since is seen at the next look: until then no row grows older.
  const readAt = useRef(now.value)
  const waitingAt = useRef(now.value)
  const again = useSignal(0)
  // a change and a wish to try again are reasons to look again.
  useEffect(() => {
    let isOver = false
    let isFirst = true
    const look = async (): Promise<void> => {
      if (document.hidden || (link.value.state !== 'live' && !isFirst)) return
      const at = now.value
      try {
        const found = await load(path)
        if (isOver) return
        if (isHeld.current && !isFirst) {
          waitingAt.current = at
          waiting.value = found
        } else {
          readAt.current = at
          shown.value = found
          waiting.value = undefined
        }
        isFirst = false
        problem.value = undefined
      } catch (error) {
        if (!isOver) problem.value = error as Problem
      }
    }
    void look()
    const timer = setInterval(() => void look(), LOOK_MS)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [path, changes.value, again.value])
  return {
    ...{ shown, waiting, problem, readAt },
    hold: (held: boolean): void => {
      isHeld.current = held
    },
    showNew: (): void => {
      if (waiting.value !== undefined) {
        readAt.current = waitingAt.current
        shown.value = waiting.value
      }
      waiting.value = undefined
    },
    tryAgain: (): void => {
      again.value++
    },
  }
}

interface TableProps {
  readonly caption: string
  readonly head: ComponentChildren
  readonly foot: ComponentChildren
  readonly children: ComponentChildren
  /** Told whether somebody reads it. */
  hold?(held: boolean): void
}

export function Table({ caption, head, foot, children, hold }: TableProps) {
  const isOver = useRef(false)
  const hasFocus = useRef(false)
  const tell = (): void => hold?.(isOver.current || hasFocus.current)
  return (
    // nothing is done here; it is only seen whether somebody reads.
    <div
      onPointerEnter={({ pointerType }) => {
        isOver.current = pointerType === 'mouse'
        tell()
      }}
      onPointerLeave={() => {
        isOver.current = false
        tell()
      }}
      onFocusCapture={({ target }) => {
        hasFocus.current = target instanceof HTMLTableRowElement
        tell()
      }}
      onBlurCapture={() => {
        hasFocus.current = false
        tell()
      }}
    >
      <table class="list">
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
      <footer class="foot">{foot}</footer>
    </div>
  )
}

/** Focus goes from row to row by `j` and `k`; Enter opens. */
export function Row(props: {
  readonly queue: string
  readonly id: string | null
  readonly isChosen?: boolean
  readonly children: ComponentChildren
}) {
  const { queue, id, isChosen, children } = props
  return (
    <tr
      tabIndex={-1}
      class={isChosen === true ? 'chosen' : undefined}
      onKeyDown={({ key, target, currentTarget }) => {
        if (key === 'Enter' && id !== null && target === currentTarget) goTo({ at: 'request', queue, id })
      }}
    >
      {children}
    </tr>
  )
}

/** Where newer ones wait until they are asked for. */
export function Held({ newer, showNew }: { readonly newer: number; showNew(): void }) {
  if (newer <= 0) return null
  return (
    <span>
      Held while you read: {count(newer)} newer{' '}
      <button type="button" class="link" onClick={showNew}>
        Show them
      </button>
    </span>
  )
}

/** A line for a shell that submits one: with a token where the service wants one, which the shell knows and the page does not. */
function curlLine(queue: string, needsToken: boolean): string {
  const url = `${location.origin}${base}${pathOf(queue)}/requests`.replaceAll("'", '%27')
  return [
    'curl -sS',
    ...(needsToken ? [`-H "authorization: Bearer $TRIAGE_CLI_TOKEN"`] : []),
    "-H 'content-type: application/json' -H 'triage-priority: low' -H 'prefer: wait=10'",
    `-d '{"prompt": "Hello"}' '${url}'`,
  ].join(' \\\n  ')
}

export function Empty(props: {
  readonly tab: Tab
  readonly queue: string
  readonly isAll: boolean
  /** In place of what is usually said of an empty list. */
  readonly why?: string | undefined
  /** Would the queue take one? */
  readonly isOpen?: boolean
}) {
  const { tab, queue, isAll, why, isOpen = false } = props
  const { name, level } = session.value ?? { name: 'anonymous', level: 'viewer' }
  const needsToken = name !== 'anonymous' || level === 'viewer'
  return (
    <div class="empty">
      <div>
        <h3>{isAll ? (tab === 'running' ? 'Nothing runs' : names[tab]) : 'None that fits'}</h3>
        <p>
          {isAll
            ? (why ?? nothing[tab])
            : findText.value === ''
              ? 'None of this tier is in this list.'
              : `None in this list begins with “${middle(findText.value, 60)}”. Enter looks for the very id.`}
        </p>
      </div>
      {isAll && isOpen && (
        <div>
          <h3>Send one to see it here{needsToken && ', with your token in TRIAGE_CLI_TOKEN'}</h3>
          {level === 'viewer' && (
            <p>
              {name === 'anonymous' ? 'Without a token' : 'With yours'} nobody may submit: it takes one of level{' '}
              <code>submitter</code>.
              {name === 'anonymous' && (
                <>
                  {' '}
                  A service that has no tokens takes requests only with <code>auth: {'{ open: true }'}</code>, on its
                  own machine.
                </>
              )}
            </p>
          )}
          <pre>{curlLine(queue, needsToken)}</pre>
        </div>
      )}
    </div>
  )
}

export function Failed({ problem, tryAgain }: { readonly problem: Problem; tryAgain(): void }) {
  return (
    <p class="empty refusal" role="alert">
      <span>
        The list could not be read: <b>{problem.message}</b> {problem.code !== '' && <code>{problem.code}</code>}
      </span>
      <button type="button" class="control" onClick={tryAgain}>
        Try again
      </button>
    </p>
  )
}

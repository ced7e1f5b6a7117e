/** What is asked before something changes, and what could not be done: dialogs, one at a time. Focus begins on the harmless answer. */
import { signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { ask, ofRequest, Problem, pathOf } from './api.ts'
import { Bars } from './parts.tsx'
import { keysAre, session, theme } from './state.ts'
import { tryNow } from './stream.ts'
import { inSentence } from './units.ts'
import { type Request, type Session, type Tier, tiers } from './wire.ts'

export type Asked =
  | {
      readonly kind: 'confirm'
      readonly title: string
      readonly text: ComponentChildren
      readonly yes: string
      readonly no: string
      /** Ticked before it may be done. */
      readonly tick?: string | undefined
      run(): Promise<unknown>
    }
  | { readonly kind: 'tier'; readonly queue: string; readonly request: Request; done(): void }
  | { readonly kind: 'session' }
  | { readonly kind: 'keys' }

export const asked = signal<Asked | undefined>(undefined)
/** What the last change was refused with. */
const refusal = signal<Problem | undefined>(undefined)
/** So that lists look again after a change. */
export const changes = signal(0)

export function open(what: Asked): void {
  refusal.value = undefined
  asked.value = what
}

function shut(): void {
  asked.value = undefined
}

// What was refused is no news on another page.
addEventListener('hashchange', () => {
  refusal.value = undefined
})

export interface Change {
  readonly queue: string
  /** After that of the queue. */
  readonly path: string
  readonly method?: 'POST' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly seen?: number
}

/** Changes something. What refuses it is shown, and thrown for the dialog to stay. */
export async function act({ queue, path, method = 'POST', body, seen }: Change): Promise<void> {
  refusal.value = undefined
  try {
    await ask(`${pathOf(queue)}${path}`, { method, body, seen })
  } catch (error) {
    refused(error)
    throw error
  } finally {
    changes.value++
  }
}

/** Says what was refused before there was anything to confirm. */
export function refused(error: unknown): void {
  refusal.value = error instanceof Problem ? error : new Problem(0, 'NO_ANSWER', String(error))
}

export function RefusalLine() {
  const problem = refusal.value
  if (problem === undefined) return null
  return (
    <p class="refusal" role="alert">
      <b>{problem.message}</b> {problem.code !== '' && <code>{problem.code}</code>}
    </p>
  )
}

export function Dialogs() {
  const what = asked.value
  if (what === undefined) return null
  if (what.kind === 'confirm') return <Confirm {...what} />
  if (what.kind === 'tier') return <TierDialog {...what} />
  if (what.kind === 'session') return <SessionDialog />
  return <KeysDialog />
}

/** Modal: the browser keeps the focus in it, and gives it back. */
function Dialog({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    ref.current?.showModal()
    ref.current?.querySelector<HTMLElement>('[data-first]')?.focus()
  }, [])
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onClose={shut}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  )
}

function Confirm({ title, text, yes, no, tick, run }: Extract<Asked, { kind: 'confirm' }>) {
  const isTicked = useSignal(tick === undefined)
  const isBusy = useSignal(false)
  const go = async (): Promise<void> => {
    isBusy.value = true
    try {
      await run()
      shut()
    } catch {
      // It is shown in the dialog.
    }
    isBusy.value = false
  }
  return (
    <Dialog title={title}>
      <div class="text">{text}</div>
      {tick !== undefined && (
        <label class="tick">
          <input
            type="checkbox"
            checked={isTicked.value}
            onChange={({ currentTarget }) => (isTicked.value = currentTarget.checked)}
          />
          <span>{tick}</span>
        </label>
      )}
      <RefusalLine />
      <div class="answers">
        <button type="button" class="control" data-first onClick={shut}>
          {no}
        </button>
        <button
          type="button"
          class="control primary"
          disabled={!isTicked.value || isBusy.value}
          onClick={() => void go()}
        >
          {yes}
        </button>
      </div>
    </Dialog>
  )
}

function TierDialog({ queue, request, done }: Extract<Asked, { kind: 'tier' }>) {
  const move = async (priority: Tier): Promise<void> => {
    const { id, generation } = request
    try {
      await act({
        ...{ queue, path: ofRequest(id), method: 'PATCH', body: { priority } },
        ...(generation > 0 && { seen: generation }),
      })
      shut()
      done()
    } catch {
      // It is shown in the dialog.
    }
  }
  return (
    <Dialog title={`Change the tier of ${inSentence(request.id)}`}>
      <div class="text">It moves to its place in the tier that you choose.</div>
      <div class="tiers">
        {tiers.map((tier) => (
          <button
            key={tier}
            type="button"
            class="control"
            disabled={tier === request.priority}
            onClick={() => void move(tier)}
          >
            <Bars tier={tier} /> {tier.toUpperCase()}
            {tier === request.priority && ', as it is'}
          </button>
        ))}
      </div>
      <RefusalLine />
      <div class="answers">
        <button type="button" class="control" data-first onClick={shut}>
          Leave it
        </button>
      </div>
    </Dialog>
  )
}

/** Asks for a token, once; the service answers with a cookie that no script can read. */
export function LogIn({ done }: { done(): void }) {
  const token = useSignal('')
  const problem = useSignal<string | undefined>(undefined)
  const send = async (event: Event): Promise<void> => {
    event.preventDefault()
    try {
      session.value = await ask<Session>('/v1/session', { method: 'POST', body: { token: token.value.trim() } })
      token.value = ''
      done()
      tryNow()
    } catch (error) {
      const isUnknown = error instanceof Problem && error.status === 401
      problem.value = isUnknown ? 'This token is not known here.' : String((error as Error).message)
    }
  }
  return (
    <form class="login" onSubmit={(event) => void send(event)}>
      <label>
        <span>Token</span>
        <input
          class="control"
          type="password"
          autocomplete="off"
          data-first
          value={token.value}
          onInput={({ currentTarget }) => (token.value = currentTarget.value)}
        />
      </label>
      <button type="submit" class="control primary" disabled={token.value === ''}>
        Log in
      </button>
      {problem.value !== undefined && (
        <p class="refusal" role="alert">
          <b>{problem.value}</b>
        </p>
      )}
    </form>
  )
}

function SessionDialog() {
  const who = session.value
  const leave = async (): Promise<void> => {
    await ask('/v1/session', { method: 'DELETE' }).catch(() => {})
    shut()
    tryNow()
  }
  return (
    <Dialog title={`${who?.name ?? 'Nobody'}, ${who?.level ?? 'no level'}`}>
      <div class="text">
        A viewer looks. An operator also sees payloads, and changes tiers, slots and pauses, cancels and requeues. An
        admin also deletes dead letters.
      </div>
      <LogIn done={shut} />
      <fieldset class="choices">
        <legend>Colours</legend>
        {(['system', 'light', 'dark'] as const).map((each) => (
          <label key={each}>
            <input type="radio" name="theme" checked={theme.signal.value === each} onChange={() => theme.set(each)} />{' '}
            {each}
          </label>
        ))}
      </fieldset>
      <div class="answers">
        {who?.name !== 'anonymous' && (
          <button type="button" class="control" onClick={() => void leave()}>
            Log out
          </button>
        )}
        <button type="button" class="control" onClick={shut}>
          Close
        </button>
      </div>
    </Dialog>
  )
}

const keys: readonly (readonly [key: string, what: string])[] = [
  ['/', 'find by id'],
  ['1–7', 'a list: Running, Waiting, Retrying, Delayed, Ended, Dead, Refused'],
  ['j k', 'the next, the previous row'],
  ['Enter', 'open the request'],
  ['x', 'select a dead letter'],
  ['[ ]', 'newer, older'],
  ['Esc', 'back'],
  ['?', 'this'],
]

function KeysDialog() {
  return (
    <Dialog title="All keys">
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="tick plain">
        <input
          type="checkbox"
          checked={keysAre.signal.value === 'on'}
          onChange={({ currentTarget }) => keysAre.set(currentTarget.checked ? 'on' : 'off')}
        />
        <span>Single keys do this. None of them changes anything.</span>
      </label>
      <div class="answers">
        <button type="button" class="control" data-first onClick={shut}>
          Close
        </button>
      </div>
    </Dialog>
  )
}

/** The page: one queue, several, one request, settings; or who has to log in first. */
import { effect } from '@preact/signals'
import { render } from 'preact'
import './page.css'
import { QueueChart, RatesChart, WaitChart } from './charts.tsx'
import { asked, Dialogs, LogIn, RefusalLine } from './dialogs.tsx'
import { Head, VerdictLine } from './head.tsx'
import { listenToKeys } from './keys.ts'
import { Lists } from './lists.tsx'
import { WhatToLookAt } from './look.tsx'
import { AllQueues } from './queues.tsx'
import { NoSuchQueue, RequestPage } from './request.tsx'
import { Settings } from './settings.tsx'
import { Slots } from './slots.tsx'
import { isStale, link, model, place, queues, session, theme } from './state.ts'
import { start } from './stream.ts'
import { WhoWaits } from './who-waits.tsx'

function Page() {
  if (session.value === null) return <Door />
  const here = place.value
  return (
    <div class={isStale.value ? 'page stale' : 'page'}>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <Head />
      <main id="main" tabIndex={-1}>
        {here.at === 'all' ? queues.value.size === 0 ? <VerdictLine /> : <AllQueues /> : <OneQueue />}
      </main>
      <footer class="page-foot">
        <p>
          {isStale.value
            ? 'Changes are off until the connection is back. Ages and run times stand still; they are not counted on.'
            : 'Waits and runs are of the last 60 s, at most 6 % too high; counts are exact, but for those with a K or an M. A second is the mean of the last 15 s. Change: p99 now, over the ten minutes before.'}
        </p>
        <p class="hints" aria-hidden="true">
          <kbd>/</kbd> find <kbd>j</kbd> <kbd>k</kbd> row <kbd>Enter</kbd> open <kbd>1</kbd>–<kbd>7</kbd> list{' '}
          <kbd>?</kbd> all keys
        </p>
      </footer>
      <Dialogs />
    </div>
  )
}

function OneQueue() {
  const here = place.value
  const one = model.value
  if (here.at === 'all') return null
  if (one === undefined) {
    return queues.value.size > 0 || link.value.state === 'live' ? <NoSuchQueue name={here.queue} /> : <VerdictLine />
  }
  if (here.at === 'request') {
    return (
      <>
        {asked.value === undefined && <RefusalLine />}
        <RequestPage key={here.id} model={one} id={here.id} />
      </>
    )
  }
  return (
    <>
      <VerdictLine />
      {asked.value === undefined && <RefusalLine />}
      {here.at === 'settings' ? (
        <Settings model={one} />
      ) : (
        <>
          <div class="top">
            <WhoWaits model={one} />
            <WhatToLookAt model={one} />
          </div>
          <div class="charts">
            <QueueChart model={one} />
            <WaitChart model={one} />
            <RatesChart model={one} />
            <Slots model={one} />
          </div>
          <Lists model={one} tab={here.tab} />
        </>
      )}
    </>
  )
}

/** Nobody who is known. */
function Door() {
  return (
    <main class="door">
      <h1>triage-queue</h1>
      <p>This service asks who you are. Your token is sent once, and kept in a cookie that no script can read.</p>
      <LogIn done={() => {}} />
    </main>
  )
}

let lastPage: string | undefined
let lastHash = location.hash

effect(() => {
  const chosen = theme.signal.value
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
})
effect(() => {
  const here = place.value
  document.title = here.at === 'all' ? 'triage-queue' : `${here.queue} · triage-queue`
})
/**
 * Another page is read from its beginning, when what had the focus is gone with the one before. Where nobody went anywhere, as when the
 * only queue is known at last, nothing is moved.
 */
effect(() => {
  const here = place.value
  const page = here.at === 'queue' ? here.at : JSON.stringify(here)
  const hasGone = location.hash !== lastHash
  lastHash = location.hash
  if (page === lastPage) return
  lastPage = page
  if (!hasGone) return
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body) return
    document.getElementById('main')?.focus({ preventScroll: true })
    scrollTo(0, 0)
  })
})
listenToKeys()
start()
render(<Page />, document.getElementById('page') as HTMLElement)

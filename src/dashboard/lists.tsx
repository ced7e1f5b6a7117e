/** The requests: what runs, waits, backs off, is put off, has ended, is dead, was refused; and what they are found by. */
import { Asked } from './list-asked.tsx'
import { names } from './list-parts.tsx'
import { Refused } from './list-refused.tsx'
import { Running } from './list-running.tsx'
import { allRates, type QueueModel } from './model.ts'
import { Icon } from './parts.tsx'
import { findText, goTo, isStale, link, type Tab, tabs, tierFilter, urlOf } from './state.ts'
import { clockTime, shortCount, shortRate } from './units.ts'
import { type Tier, tiers } from './wire.ts'

export function Lists({ model, tab }: { readonly model: QueueModel; readonly tab: Tab }) {
  const counts = countsOf(model)
  const { name } = model
  return (
    <section class="panel lists" aria-label="Requests">
      <div class="bar">
        <div class="tabs" role="tablist" aria-label="Lists">
          {tabs.map((each) => (
            <a
              key={each}
              role="tab"
              id={`tab-${each}`}
              aria-selected={tab === each}
              aria-controls="list"
              tabIndex={tab === each ? 0 : -1}
              href={urlOf({ at: 'queue', queue: name, tab: each })}
              onKeyDown={({ key }) => stepTab(name, tab, key)}
            >
              {names[each]}
              {counts[each] !== undefined && (
                <span class={each === 'refused' && counts[each] !== '0' ? 'n hot' : 'n'}>{counts[each]}</span>
              )}
            </a>
          ))}
        </div>
        <select
          class="control tab-select"
          aria-label="List"
          value={tab}
          onChange={({ currentTarget: { value } }) => goTo({ at: 'queue', queue: name, tab: value as Tab })}
        >
          {tabs.map((each) => (
            <option key={each} value={each}>
              {names[each]} {counts[each] ?? ''}
            </option>
          ))}
        </select>
        <span class="gap" />
        {isStale.value && link.value.asOf !== null ? (
          <span class="chip warn">as of {clockTime(link.value.asOf)}</span>
        ) : (
          <div class="filters">
            <search>
              <Find queue={name} />
            </search>
            <select
              class="control"
              aria-label="Tier"
              value={tierFilter.value}
              onChange={({ currentTarget: { value } }) => {
                tierFilter.value = value as Tier | ''
              }}
            >
              <option value="">tier: any</option>
              {tiers.map((tier) => (
                <option key={tier} value={tier}>
                  {tier.toUpperCase()}
                </option>
              ))}
            </select>
          </div>
        )}
      </div>
      <div id="list" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={-1}>
        {tab === 'running' ? (
          <Running model={model} />
        ) : tab === 'refused' ? (
          <Refused key={name} model={model} />
        ) : (
          <Asked key={`${name} ${tab}`} model={model} tab={tab} />
        )}
      </div>
    </section>
  )
}

function stepTab(queue: string, tab: Tab, key: string): void {
  const by = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0
  if (by === 0) return
  const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length] as Tab
  goTo({ at: 'queue', queue, tab: next })
  document.getElementById(`tab-${next}`)?.focus()
}

/** Exact up to 9,999, like those above; what is not counted has none. */
function countsOf(model: QueueModel): { readonly [T in Tab]?: string } {
  const { status, kept, workers } = model
  // The list has the slots, and a run that is stuck has one although its request has ended.
  const running = workers.length === 0 ? status.running : workers.filter((slot) => slot.currentRequest !== null).length
  const refused = allRates(model)?.refused
  return {
    running: shortCount(running),
    waiting: shortCount(status.waiting),
    retrying: shortCount(status.retrying),
    ...(kept.dead !== undefined && { dead: shortCount(kept.dead) }),
    ...(refused !== undefined && refused >= 0.05 && { refused: `${shortRate(refused)}/s` }),
  }
}

/** By the beginning of the id in lists; Enter opens the very one. */
function Find({ queue }: { readonly queue: string }) {
  return (
    <form
      class="find control"
      onSubmit={(event) => {
        event.preventDefault()
        const id = findText.value.trim()
        if (id !== '') goTo({ at: 'request', queue, id })
      }}
    >
      <Icon name="search" />
      <input
        id="find"
        type="search"
        placeholder="find id"
        aria-label="Find by id: lists show what begins with it, Enter opens it"
        maxLength={300}
        value={findText.value}
        onInput={({ currentTarget }) => {
          findText.value = currentTarget.value
        }}
      />
      <kbd>/</kbd>
    </form>
  )
}

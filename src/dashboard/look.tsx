/** What to look at: causes first, each with what to turn; and when nothing is wrong, what is nearest to a limit. */
import { calmOf } from './calm.ts'
import { findingsOf, nearestOf } from './findings.ts'
import type { QueueModel } from './model.ts'
import { Icon, Panel, Sentence, Share } from './parts.tsx'
import { isStale, link } from './state.ts'
import { clockTime, count } from './units.ts'
import { verdictOf } from './verdict.ts'

const icons = { good: 'check', warn: 'warn', idle: 'ring' } as const

export function WhatToLookAt({ model }: { readonly model: QueueModel }) {
  const findings = findingsOf(model)
  if (isStale.value) return <Cut hadFindings={findings.length > 0} />
  if (findings.length === 0) return <Calm model={model} />
  return (
    <Panel title="What to look at" note={findings.length > 1 ? 'causes first' : undefined} class="look">
      <ul class="findings">
        {findings.map(({ kind, what, evidence, turn }) => (
          <li key={what} class={kind}>
            <span class="mark">
              <Icon name={kind === 'bad' ? 'cross' : 'warn'} />
            </span>
            <div>
              <h3>{what}</h3>
              <p>
                <Sentence words={evidence} /> <strong>{turn}</strong>
              </p>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Calm({ model }: { readonly model: QueueModel }) {
  const { kind, what, why } = calmOf(model, verdictOf(model))
  return (
    <Panel title="What to look at" class="look">
      <ul class="findings">
        <li class={kind}>
          <span class="mark">
            <Icon name={icons[kind]} />
          </span>
          <div>
            <h3>{what}</h3>
            <p>{why}</p>
          </div>
        </li>
      </ul>
      <h3 class="quiet">Nearest to a limit</h3>
      <ul class="nearest">
        {nearestOf(model).map(({ what, tier, now, most }) => (
          <li key={what}>
            <span>{what}</span>
            <Share of={now / most} tier={tier} wide />
            <b>
              {count(now)} of {count(most)}
            </b>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Cut({ hadFindings }: { readonly hadFindings: boolean }) {
  const { asOf, tries } = link.value
  const at = asOf === null ? 'the start' : clockTime(asOf)
  return (
    <Panel title="What to look at" class="look">
      <ul class="findings">
        <li class="warn">
          <span class="mark">
            <Icon name="warn" />
          </span>
          <div>
            <h3>The event stream was cut at {at}</h3>
            <p>
              {tries <= 1
                ? 'The process is gone, or the way to it.'
                : `${tries === 2 ? 'A try' : `${tries - 1} tries`} failed since: the process is gone, or the way to it.`}{' '}
              <strong>Look whether it lives, then at the network.</strong>
            </p>
          </div>
        </li>
        <li class="warn">
          <span class="mark">
            <Icon name="warn" />
          </span>
          <div>
            <h3>Until then nothing here is news</h3>
            <p>
              {hadFindings ? 'Something needed you' : 'Nothing needed you'} at {at}; now it may be otherwise. What was
              missed is filled in when the connection is back.
            </p>
          </div>
        </li>
      </ul>
    </Panel>
  )
}

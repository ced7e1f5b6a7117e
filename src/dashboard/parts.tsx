/** What stands everywhere: a tier with its bars, a bar, words with what stands out in them, a time since which nothing is known. */
import type { ComponentChildren } from 'preact'
import { isStale, link } from './state.ts'
import { clockTime, type Words } from './units.ts'
import { type Tier, tiers } from './wire.ts'

/** Four bars, of which as many are filled as the tier is urgent. */
export function Bars({ tier }: { readonly tier: Tier }) {
  const filled = 4 - tiers.indexOf(tier)
  return (
    <svg class={`bars ${tier}`} width="13" height="12" viewBox="0 0 13 12" aria-hidden="true">
      {[1, 2, 3, 4].map((n) => (
        <rect key={n} class={n <= filled ? 'on' : 'off'} x={(n - 1) * 3.3} y={12 - n * 3} width="2.4" height={n * 3} />
      ))}
    </svg>
  )
}

export function TierName({ tier }: { readonly tier: Tier }) {
  return (
    <span class="tier">
      <Bars tier={tier} />
      <b>{tier.toUpperCase()}</b>
    </span>
  )
}

/** A share of something, from 0 to 1. */
export function Share({
  of,
  tier,
  wide,
}: {
  readonly of: number
  readonly tier?: Tier | undefined
  readonly wide?: boolean
}) {
  const width = `${Math.min(Math.max(of, 0), 1) * 100}%`
  return (
    <span class={wide === true ? 'share wide' : 'share'} aria-hidden="true">
      <span class={tier ?? 'neutral'} style={{ width }} />
    </span>
  )
}

export function Sentence({ words }: { readonly words: Words }) {
  return <>{words.map((word, at) => (typeof word === 'string' ? word : <b key={at}>{word.strong}</b>))}</>
}

/** A panel with a head; while nothing is heard it says how old it is. */
export function Panel(props: {
  readonly title: string
  readonly note?: ComponentChildren
  readonly side?: ComponentChildren
  readonly class?: string
  readonly children: ComponentChildren
}) {
  const { title, note, side, children } = props
  const { asOf } = link.value
  const id = `p-${title.replace(/\W+/g, '-')}`
  return (
    <section class={`panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span class="note">{note}</span>}
        <span class="gap" />
        {isStale.value && asOf !== null ? <span class="chip warn">as of {clockTime(asOf)}</span> : side}
      </header>
      {children}
    </section>
  )
}

export type IconName = 'check' | 'alert' | 'warn' | 'cross' | 'dash' | 'pulse' | 'pause' | 'search' | 'ring'

const paths: { readonly [N in IconName]: string } = {
  check: 'M4 8.4l2.6 2.6L12 5.4',
  alert: 'M8 4v5M8 11.2v.9',
  warn: 'M8 2.6L14.2 13.4H1.8zM8 6.6v3M8 11.4v.3',
  cross: 'M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2',
  dash: 'M4.8 8h6.4',
  pulse: 'M2.8 8h2.4l1.6-3 2.2 6 1.6-3h2.6',
  pause: 'M5.6 4v8M10.4 4v8',
  search: 'M7 3.2a3.8 3.8 0 1 0 0 7.6a3.8 3.8 0 0 0 0-7.6M10 10l3.4 3.4',
  ring: 'M8 3a5 5 0 1 0 0 10a5 5 0 0 0 0-10',
}

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}

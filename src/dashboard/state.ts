/**
 * What does the page know? Signals: the queues, the session, the connection, the time at the service, and where one is. `stream.ts`
 * writes the first ones.
 */
import { computed, effect, signal } from '@preact/signals'
import type { QueueModel } from './model.ts'
import type { Level, Session, tiers } from './wire.ts'

type LinkState = 'connecting' | 'live' | 'cut' | 'resting'

export interface Link {
  readonly state: LinkState
  /** When the last frame came, by the service's clock; null: none has come yet. */
  readonly asOf: number | null
  /** For how long there has been none, in ms. */
  readonly silentMs: number
  readonly tries: number
  /** The next try is in so many ms. */
  readonly nextMs: number
}

export const link = signal<Link>({ state: 'connecting', asOf: null, silentMs: 0, tries: 0, nextMs: 0 })
export const queues = signal<ReadonlyMap<string, QueueModel>>(new Map())
/** Undefined: not asked yet; null: a token is needed. */
export const session = signal<Session | null | undefined>(undefined)
/** The time at the service, in ms since 1970. It stands still while nothing is heard. */
export const now = signal(Date.now())

const levels: readonly Level[] = ['viewer', 'submitter', 'operator', 'admin']

export const isOperator = computed(() => levels.indexOf(session.value?.level ?? 'viewer') >= levels.indexOf('operator'))
export const isAdmin = computed(() => session.value?.level === 'admin')
export const isStale = computed(() => link.value.state === 'cut')
/** May something be changed now? */
export const canChange = computed(() => isOperator.value && link.value.state === 'live')
/** Why not, for the title of what is disabled. */
export const whyNot = computed(() =>
  !isOperator.value
    ? 'Needs operator'
    : link.value.state === 'live'
      ? undefined
      : 'Changes are off until the connection is back',
)

export const tabs = ['running', 'waiting', 'retrying', 'delayed', 'ended', 'dead', 'refused'] as const
export type Tab = (typeof tabs)[number]

/** Where one is: in the fragment of the URL, so that it can be sent to somebody. */
export type Place =
  | { readonly at: 'all' }
  | { readonly at: 'queue'; readonly queue: string; readonly tab: Tab }
  | { readonly at: 'request'; readonly queue: string; readonly id: string }
  | { readonly at: 'settings'; readonly queue: string }

const fragment = signal(location.hash)
addEventListener('hashchange', () => {
  fragment.value = location.hash
})

/** The first queue, where the URL names none and there is only one. */
export const place = computed<Place>(() => {
  const parts = fragment.value.replace(/^#\/?/, '').split('/').map(decoded)
  const [first = '', second = '', ...rest] = parts
  const names = [...queues.value.keys()]
  const queue = first === '' && names.length === 1 ? (names[0] as string) : first
  if (queue === '') return { at: 'all' }
  if (second === 'settings') return { at: 'settings', queue }
  if (second === 'request') return { at: 'request', queue, id: rest.join('/') }
  const tab = tabs.find((each) => each === second) ?? 'running'
  return { at: 'queue', queue, tab }
})

/** The list that was open last, to come back to. */
export const lastTab = signal<Tab>('running')
effect(() => {
  const here = place.value
  if (here.at === 'queue') lastTab.value = here.tab
})

export function urlOf(to: Place): string {
  if (to.at === 'all') return '#/'
  const queue = encodeURIComponent(to.queue)
  if (to.at === 'settings') return `#/${queue}/settings`
  if (to.at === 'request') return `#/${queue}/request/${encodeURIComponent(to.id)}`
  return `#/${queue}/${to.tab}`
}

export function goTo(to: Place): void {
  location.hash = urlOf(to)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const model = computed<QueueModel | undefined>(() => {
  const here = place.value
  return here.at === 'all' ? undefined : queues.value.get(here.queue)
})

/** Is the window at most so wide, at the usual size of letters? */
function upTo(px: number) {
  const media = matchMedia(`(max-width: ${px / 16}em)`)
  const is = signal(media.matches)
  media.addEventListener('change', () => {
    is.value = media.matches
  })
  return is
}

/** Is there room for no more than half a line of a table? */
export const isNarrow = upTo(560)
const isMiddling = upTo(1_023)
/** So many characters of an id are shown in a list. */
export const idLength = computed(() => (isNarrow.value ? 10 : isMiddling.value ? 20 : 28))

/** What one has chosen for the lists. */
export const tierFilter = signal<(typeof tiers)[number] | ''>('')
export const findText = signal('')

/** Kept by the browser, if it keeps anything. */
function kept<T extends string>(name: string, options: readonly T[], otherwise: T) {
  let first = otherwise
  try {
    first = options.find((each) => each === localStorage.getItem(`triage-queue.${name}`)) ?? otherwise
  } catch {
    // It keeps nothing.
  }
  const chosen = signal<T>(first)
  return {
    signal: chosen,
    set(value: T): void {
      chosen.value = value
      try {
        localStorage.setItem(`triage-queue.${name}`, value)
      } catch {
        // It keeps nothing.
      }
    },
  }
}

export const theme = kept('theme', ['system', 'light', 'dark'] as const, 'system')
export const keysAre = kept('keys', ['on', 'off'] as const, 'on')
export const share = kept('share', ['p50Ms', 'p95Ms', 'p99Ms'] as const, 'p99Ms')

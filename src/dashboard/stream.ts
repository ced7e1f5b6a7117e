/**
 * Is the page connected? One stream of events for all queues, opened again when it is cut, closed while the tab is hidden.
 *
 * A frame comes at least once a second; without any for ten seconds the connection is taken to be dead. Each connection begins with a
 * snapshot, which has the last fifteen minutes in it, so that nothing is missing after a cut.
 */
import { batch } from '@preact/signals'
import { ask, base, onUnknown, Problem } from './api.ts'
import { afterFrame, modelOf, type QueueModel } from './model.ts'
import { link, now, queues, session } from './state.ts'
import type { Frame, QueueSnapshot, Session } from './wire.ts'

const SILENCE_MS = 10_000
const FIRST_RETRY_MS = 1_000
const MOST_RETRY_MS = 15_000
/** What the page draws is in `stats`; of single requests it asks for the ones that it shows. */
const EVENTS = 'paused,resumed,resized,closed,store'

let source: EventSource | undefined
let retry: ReturnType<typeof setTimeout> | undefined
/** When a frame came last, when the connection was cut, and when it is tried next, by `performance.now()`. */
let heardAt = 0
let nextAt = 0
let tries = 0
let asOf: number | null = null
/** Frames that came since the last picture. */
let pending: Frame[] = []
let drawing = 0
/** Who one is was asked since `at`, and not answered yet. Given up, it takes up none of the browser's few connections. */
let asking: { readonly at: number; readonly controller: AbortController } | undefined

export function start(): void {
  setInterval(tick, 1_000)
  onUnknown(tryNow)
  document.addEventListener('visibilitychange', () => (document.hidden ? rest() : tryNow()))
  if (document.hidden) rest()
  else void open()
}

/** Who is one, after a log-in, a log-out or a cut? Null: nobody that is known. */
async function whoAmI(signal: AbortSignal): Promise<Session | null> {
  try {
    return await ask<Session>('/v1/session', { signal })
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null
    throw error
  }
}

/** Begins again. */
export function tryNow(): void {
  clearTimeout(retry)
  void open()
}

/** Nobody looks. */
function rest(): void {
  close()
  clearTimeout(retry)
  cancelAnimationFrame(drawing)
  drawing = 0
  pending = []
  show('resting')
}

function close(): void {
  asking?.controller.abort()
  asking = undefined
  source?.close()
  source = undefined
}

async function open(): Promise<void> {
  close()
  if (link.value.state === 'resting') show('connecting')
  clearTimeout(retry)
  const begun = { at: performance.now(), controller: new AbortController() }
  asking = begun
  let who: Session | null
  try {
    who = await whoAmI(begun.controller.signal)
  } catch {
    // Unless it was given up: it took too long, another one was begun, or nobody looks any more.
    if (asking === begun) failed()
    return
  }
  if (asking !== begun) return
  asking = undefined
  session.value = who
  if (who === null || document.hidden) return
  const opened = new EventSource(`${base}/v1/events?event=${EVENTS}`)
  source = opened
  heardAt = performance.now()
  opened.onmessage = ({ data }) => {
    if (source === opened) heard(data as string)
  }
  opened.onerror = () => {
    if (source === opened) failed()
  }
}

function heard(text: string): void {
  let frame: Frame
  try {
    frame = JSON.parse(text) as Frame
  } catch {
    return
  }
  // Another service, newer or older: nothing of it is guessed.
  if (frame.v !== 1) return
  if (frame.event === 'bye') {
    failed()
    return
  }
  heardAt = performance.now()
  asOf = Date.parse(frame.at)
  tries = 0
  pending.push(frame)
  drawing ||= requestAnimationFrame(draw)
}

/** All that has come since the last picture, at once. */
function draw(): void {
  drawing = 0
  const frames = pending
  pending = []
  let models = queues.value as Map<string, QueueModel>
  for (const frame of frames) {
    if (frame.event === 'snapshot') {
      const { queues: all } = frame as unknown as { queues: readonly QueueSnapshot[] }
      // When it was paused was told once, and may be another time by now.
      models = new Map(all.map((one) => [one.name, modelOf(one)]))
      continue
    }
    const model = frame.queue === undefined ? undefined : models.get(frame.queue)
    if (model !== undefined) models = new Map(models).set(model.name, afterFrame(model, frame))
  }
  batch(() => {
    queues.value = models
    if (asOf !== null) now.value = asOf
    show('live')
  })
}

/** It was cut, or there was nobody. */
function failed(): void {
  close()
  tries++
  const inMs = Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), MOST_RETRY_MS)
  nextAt = performance.now() + inMs
  clearTimeout(retry)
  retry = setTimeout(() => void open(), inMs)
  show('cut')
}

function tick(): void {
  if (document.hidden || session.value === null) return
  const at = performance.now()
  if (at - (source === undefined ? (asking?.at ?? at) : heardAt) > SILENCE_MS) failed()
  else if (link.value.state === 'cut' || link.value.state === 'connecting') show(link.value.state)
}

function show(state: typeof link.value.state): void {
  const at = performance.now()
  link.value = {
    ...{ state, asOf, tries },
    silentMs: state === 'live' ? 0 : at - heardAt,
    nextMs: Math.max(nextAt - at, 0),
  }
}

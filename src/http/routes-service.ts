/**
 * The routes of the service itself: events, sessions, probes, metrics, its own description, the page.
 */
import { unauthorized } from './access.ts'
import { answerEvents } from './events/sse.ts'
import type { Answer } from './exchange.ts'
import { json } from './exchange.ts'
import { metricsText } from './metrics.ts'
import { assetAt } from './page.ts'
import { HttpProblem } from './problem.ts'
import type { Call, Route } from './route.ts'
import { eventsQuery, sessionBody } from './shapes.ts'

const eventsAnswers = { 200: 'A `snapshot`, then frame after frame.', 503: 'As many listen as may: `Retry-After`.' }

export const serviceRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/events',
    level: 'viewer',
    tag: 'events',
    summary: 'The events of all queues, or of those that the query names, as server-sent events.',
    query: eventsQuery,
    headers: {
      'Last-Event-ID':
        'Goes on after that event, if it is one of the last 10,000; else there is a `gap` and a `snapshot`.',
    },
    answers: eventsAnswers,
    isStream: true,
    handle: answerEvents,
  },
  {
    method: 'GET',
    path: '/v1/ws',
    level: 'viewer',
    tag: 'events',
    summary: 'The same frames by WebSocket, one a message.',
    query: eventsQuery,
    answers: { 101: 'It is one from now on.', 426: 'It was no upgrade, or the server does no upgrades.' },
    isStream: true,
    handle: () => {
      throw new HttpProblem(426, 'BAD_REQUEST', 'Ask for an upgrade', { headers: { upgrade: 'websocket' } })
    },
  },
  {
    method: 'GET',
    path: '/v1/session',
    level: 'viewer',
    tag: 'service',
    summary: 'Who asks, and what they may do.',
    answers: { 200: '`name` and `level`.' },
    handle: ({ principal: { name, level } }) => json(200, { name, level }),
  },
  {
    method: 'POST',
    path: '/v1/session',
    level: 'none',
    tag: 'service',
    summary: 'Takes a token, and sets a cookie that stands for it.',
    body: sessionBody,
    answers: {
      200: '`name` and `level`; the cookie is `HttpOnly` and `SameSite=Strict`.',
      401: 'The token is not known.',
    },
    action: 'session',
    handle: (call) => {
      const principal = call.service.access.byToken((call.body as { token: string }).token)
      if (principal === undefined) throw unauthorized()
      const { access } = call.service
      const { name, level } = principal
      return json(200, { name, level }, { 'set-cookie': access.open(principal, pathOf(call), call.came.isEncrypted) })
    },
  },
  {
    method: 'DELETE',
    path: '/v1/session',
    level: 'none',
    tag: 'service',
    summary: 'Ends the session of the cookie.',
    answers: { 200: 'There is none any more.' },
    action: 'session',
    handle: (call) => json(200, {}, { 'set-cookie': call.service.access.end(call.exchange, pathOf(call)) }),
  },
  {
    method: 'GET',
    path: '/healthz',
    level: 'none',
    tag: 'service',
    summary: 'Does it work at all?',
    answers: { 200: 'It does.', 503: 'No request can run: every slot is stuck.' },
    handle: (call) => health(call, 'live'),
  },
  {
    method: 'GET',
    path: '/readyz',
    level: 'none',
    tag: 'service',
    summary: 'Shall it be sent requests?',
    answers: {
      200: 'Yes.',
      503: 'A queue is paused, stuck or about to close, or the service is: `reasons` says which, in words of `health()`.',
    },
    handle: (call) => health(call, 'ready'),
  },
  {
    method: 'GET',
    path: '/metrics',
    level: 'viewer',
    tag: 'service',
    summary: 'The metrics of all queues, for Prometheus.',
    answers: { 200: 'The text format 0.0.4.' },
    handle: ({ service }) => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      body: metricsText(service),
    }),
  },
  {
    method: 'GET',
    path: '/openapi.json',
    level: 'viewer',
    tag: 'service',
    summary: 'This table, as OpenAPI 3.1.',
    answers: { 200: 'The description.' },
    handle: ({ service }) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: service.openapi(),
    }),
  },
  {
    method: 'GET',
    path: '/',
    level: 'none',
    tag: 'service',
    summary: 'The page for people.',
    answers: { 200: 'HTML. It asks for a token itself.' },
    isDocument: true,
    handle: assetOf('/'),
  },
  ...['/dashboard.js', '/dashboard.css'].map(
    (path): Route => ({
      method: 'GET',
      path,
      level: 'none',
      tag: 'service',
      summary: 'What the page is made of.',
      answers: { 200: 'From memory, as it was built.' },
      handle: assetOf(path),
    }),
  ),
]

function assetOf(path: string): Route['handle'] {
  return async ({ service }): Promise<Answer> => {
    const asset = await assetAt(path, service.settings.basePath)
    if (asset === undefined) throw new HttpProblem(404, 'NOT_FOUND')
    return { status: 200, headers: { 'content-type': asset.type }, body: asset.body }
  }
}

function pathOf({ service }: Call): string {
  return service.settings.basePath || '/'
}

/** What it says needs no level, so it says no more than it must: the words of `health()`, and of which queue no name. */
function health({ service }: Call, what: 'live' | 'ready'): Answer {
  const queues = [...service.queues.values()].map(({ executor }) => executor.health?.())
  const isWell = queues.every((queue) => queue === undefined || queue[what])
  if (what === 'live') return json(isWell ? 200 : 503, { live: isWell })
  const reasons = new Set(queues.flatMap((queue) => queue?.reasons ?? []))
  if (service.closing.aborted) reasons.add('closing')
  const ready = isWell && !service.closing.aborted
  return json(ready ? 200 : 503, ready ? { ready } : { ready, reasons: [...reasons] })
}

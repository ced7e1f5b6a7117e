/**
 * The events as server-sent events: what `EventSource` reads.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { Answer, Streamed } from '../exchange.ts'
import { HttpProblem } from '../problem.ts'
import type { Call } from '../route.ts'
import type { EventClient, Filter } from './event-client.ts'

export function answerEvents(call: Call): Answer {
  const { service, exchange, principal, query } = call
  // Its answer would be a stream that nobody reads.
  if (exchange.method === 'HEAD')
    throw new HttpProblem(405, 'METHOD_NOT_ALLOWED', undefined, { headers: { allow: 'GET' } })
  const last = exchange.header('last-event-id') ?? query.lastEventId
  const client = service.hub.connect(filterOf(query), principal.level, last)
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }
  return { status: 200, headers, stream: streamOf(client) }
}

export function filterOf(query: Call['query']): Filter {
  const { queue, state, event, priority, id } = query
  return { queue, priority, id, states: setOf(state), events: setOf(event) }
}

function setOf(list: string | undefined): ReadonlySet<string> | undefined {
  return list === undefined ? undefined : new Set(list.split(','))
}

function streamOf(client: EventClient): Streamed {
  return {
    async next() {
      const items = await client.next()
      return items?.map(({ id, text }) => `${id === undefined ? '' : `id: ${id}\n`}data: ${text}\n\n`).join('')
    },
    close: () => client.close(),
    set onDrop(drop: (() => void) | undefined) {
      client.onDrop = drop
    },
  }
}

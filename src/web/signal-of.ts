/**
 * Is anybody still there to read the answer? A signal for `execute()` that is aborted when the client hangs up.
 */
import { CancelledError } from '../core/errors.ts'
import type { NodeHeaders } from './headers.ts'

/** Node's IncomingMessage: Express's and Nest's request, Fastify's `request.raw`. */
export interface RequestLike {
  readonly headers: NodeHeaders
  readonly socket?: { readonly destroyed?: boolean | undefined } | null | undefined
}

/** Node's ServerResponse: Express's and Nest's response, Fastify's `reply.raw`. */
export interface ResponseLike {
  readonly writableEnded: boolean
  readonly destroyed?: boolean | undefined
  once(event: 'close', listener: () => void): unknown
}

/**
 * A signal that is aborted when the connection closes before the answer is complete; its reason is a `CancelledError`. It may
 * have closed already. When the response has closed, nothing of it is left. (A fetch `Request` has such a signal itself.)
 */
export function signalOf(request: RequestLike, response: ResponseLike): AbortSignal {
  const client = new AbortController()
  const closed = (): void => {
    if (!response.writableEnded) client.abort(new CancelledError('the client has gone'))
  }
  if (response.destroyed === true || request.socket?.destroyed === true) closed()
  else response.once('close', closed)
  return client.signal
}

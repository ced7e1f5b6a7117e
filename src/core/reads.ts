/**
 * What does a policy read of a request? Types, and nothing at run time: from them TypeScript knows what requests and metadata
 * must be, and tells `run`, the events and the options of each request.
 */

/** Never there. */
declare const readsRequest: unique symbol
declare const readsMetadata: unique symbol

/** What a policy says of itself: that it reads such requests and such metadata; `unknown` of what it does not look at. */
export interface Reads<Req, Metadata> {
  readonly [readsRequest]?: ((request: Req) => void) | undefined
  readonly [readsMetadata]?: ((metadata: Metadata) => void) | undefined
}

/** What an option for a policy asks of it: to read no more than there is. Where that was not said, it may read anything. */
export interface ReadsOnly<Req, Metadata> {
  readonly [readsRequest]?: Reader<Req> | undefined
  readonly [readsMetadata]?: Reader<Metadata> | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: options without type arguments hold any policy, and fit any executor.
type Reader<T> = unknown extends T ? any : (value: T) => void

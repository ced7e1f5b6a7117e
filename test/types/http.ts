/** `triage-queue/http`: which executors it serves, and that its client is used as one. */
import { type HandleLike, QueuedExecutor, type QueuedExecutorLike, type RequestOptions } from 'triage-queue'
import { HttpClient, httpApp } from 'triage-queue/http'

interface Prompt {
  readonly prompt: string
}

const plain = new QueuedExecutor(async (request: unknown) => request)
const typed = new QueuedExecutor(async ({ prompt }: Prompt) => prompt.length)
const withMetadata = new QueuedExecutor(async (n: number, run: { readonly metadata: { readonly tenant: string } }) => [
  n,
  run.metadata.tenant,
])

httpApp({ queues: plain })
httpApp({ queues: [plain, typed, withMetadata] })
httpApp({ queues: typed, auth: undefined, hosts: 'any', log: undefined })
// @ts-expect-error: a level that is none
httpApp({ queues: plain, auth: { tokens: [{ name: 'a', level: 'root', token: '0123456789abcdef' }] } })
// @ts-expect-error: no executor
httpApp({ queues: {} })

const client = new HttpClient<Prompt, number>({ url: 'http://localhost', queue: 'llm', token: undefined })
const like: QueuedExecutorLike<Prompt, number> = client
export const length: Promise<number> = like.execute({ prompt: 'x' }, { priority: 'low' } satisfies RequestOptions)
export const handle: Promise<HandleLike<number>> = client.submit({ prompt: 'x' })
// @ts-expect-error: its requests have a prompt
client.execute({ text: 'x' })
httpApp({ queues: client })

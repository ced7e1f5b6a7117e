/** What a schema takes and what it makes of it are two types, both inferred; without one they are the same. */
import {
  DeadLetters,
  type InvalidRequestError,
  QueuedExecutor,
  type QueuedRequest,
  type StandardSchema,
} from 'triage-queue'
import { holds, type Same, some } from './support.ts'

interface Given {
  readonly prompt: string
  readonly tokens?: number | undefined
}
interface Made {
  readonly prompt: string
  readonly tokens: number
}

/** As zod and valibot declare theirs. */
interface Schema<Input, Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (
      value: unknown,
    ) =>
      | { readonly value: Output; readonly issues?: undefined }
      | { readonly issues: readonly { readonly message: string }[] }
      | Promise<
          | { readonly value: Output; readonly issues?: undefined }
          | { readonly issues: readonly { readonly message: string }[] }
        >
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}
const schema = some<Schema<Given, Made>>()

// Nothing is said but the schema.
const llm = new QueuedExecutor(
  async (request) => {
    holds<Same<typeof request, Made>>()
    return request.tokens
  },
  { schema, concurrency: 2 },
)
holds<Same<typeof llm, QueuedExecutor<Made, number, unknown, Given>>>()
void llm.execute({ prompt: 'Hello' })
void llm.submit({ prompt: 'Hello' })
llm.offer({ prompt: 'Hello' })
llm.map([{ prompt: 'Hello' }])
// @ts-expect-error: the schema takes numbers.
void llm.execute({ prompt: 'Hello', tokens: '1' })
holds<Same<ReturnType<typeof llm.get>, QueuedRequest<Made, number> | undefined>>()

// A parameter that was written out asks the schema for it.
const annotated = new QueuedExecutor((request: Made) => request.tokens, { schema })
holds<Same<typeof annotated, QueuedExecutor<Made, number, unknown, Given>>>()
new QueuedExecutor((request: { tokens: string }) => request.tokens, {
  // @ts-expect-error: what it makes is something else.
  schema,
})

// A schema that says nothing of what it takes.
const handmade = some<StandardSchema<Made>>()
const byHand = new QueuedExecutor((request: Made) => request.tokens, { schema: handmade })
holds<Same<typeof byHand, QueuedExecutor<Made, number, unknown, Made>>>()
const literal = new QueuedExecutor((request: Made) => request.tokens, {
  schema: { '~standard': { version: 1, vendor: 'mine', validate: (value) => ({ value: value as Made }) } },
})
holds<Same<typeof literal, QueuedExecutor<Made, number, unknown, Made>>>()

// Events: a refused request is what was handed in, others are what the schema has made.
llm.on('completed', (event) => {
  holds<Same<typeof event.request, Made>>()
  holds<Same<typeof event.result, number>>()
})
llm.on('rejected', (event) => holds<Same<typeof event.request, Given | Made>>())
llm.on('joined', (event) => holds<Same<typeof event.request, Given | Made>>())
holds<Same<InvalidRequestError['code'], 'TRIAGE_INVALID_REQUEST'>>()

const letters = new DeadLetters(llm)
for (const letter of letters) holds<Same<typeof letter.request.prompt, string>>()
